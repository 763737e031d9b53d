"""This engine against the usual PyTorch loop and against the device's peak: what `gan-bench bench` measures."""
