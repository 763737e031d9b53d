"""Grid files."""
