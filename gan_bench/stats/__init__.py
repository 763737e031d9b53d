"""How sure a difference is: paired tests and intervals, looks while seeds are added, effects of axes."""
