"""Built-in trackers: where a store's runs are told."""
