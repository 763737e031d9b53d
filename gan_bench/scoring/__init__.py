"""What a generator is worth: samples drawn, metrics against held-out data, pictures beside them."""
