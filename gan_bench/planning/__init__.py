"""Which runs a grid has, how long they are, what is left to do and what that costs."""
