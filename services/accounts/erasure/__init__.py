"""Closing an account for good: what is deleted, by whom, and the receipt."""
