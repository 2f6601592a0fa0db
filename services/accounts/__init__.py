"""Accounts: who somebody is, and what they have. Users, sessions, API keys; the ledger of credits and its holds."""
