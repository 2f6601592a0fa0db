"""Addresses that an order named to be called when it is over."""
