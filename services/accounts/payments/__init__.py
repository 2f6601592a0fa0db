"""Checkouts at a payment provider, the payments that come of them, and their receipts."""
