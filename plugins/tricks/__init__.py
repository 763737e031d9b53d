"""Built-in training tricks."""
