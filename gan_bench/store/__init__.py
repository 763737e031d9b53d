"""Every file of a store: its form, how it is read, written, checked and locked."""
