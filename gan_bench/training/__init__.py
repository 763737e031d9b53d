"""One run: networks and recipe built, trained step by step, saved, sampled, diagnosed."""
