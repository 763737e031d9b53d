"""Processes that train: what they are given, how they are kept going, what one sees of them."""
