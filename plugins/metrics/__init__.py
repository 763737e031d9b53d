"""Built-in metrics and the feature extractors that they read."""
