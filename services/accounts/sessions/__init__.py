"""Signing in, refreshing, signing out, and the tokens that this makes."""
