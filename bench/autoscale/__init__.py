"""A day of songs, and the workers that KEDA would have run for them."""
