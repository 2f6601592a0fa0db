"""Webhook endpoints: where a partner wants to be told, of what, and under which secret."""
