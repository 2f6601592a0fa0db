"""Webhook deliveries: what is due, sent, signed, tried again, and what became of it."""
