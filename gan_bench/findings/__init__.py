"""From files to tables to sentences: run folders read, levels compared, verdicts put into words."""
