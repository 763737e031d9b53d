"""Where workers run: this machine, or a cluster. The executor's rules are the same for all of them."""
