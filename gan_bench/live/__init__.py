"""The page that follows a grid while it trains."""
