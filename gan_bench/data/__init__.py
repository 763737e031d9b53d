"""Real samples, decoded once: the cache, and batches without end."""
