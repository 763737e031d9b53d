"""What a person asks for as a whole: run a grid, add seeds until it is settled, the same from Python."""
