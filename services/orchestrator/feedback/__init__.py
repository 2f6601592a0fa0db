"""What owners think of their stems."""
