"""The queue: whose turn it is, and what happens where nothing happens by itself."""
