"""What the accounts service decides.

users       who there is
sessions    signing in, refreshing, signing out
api_keys    keys for programs
billing     holds, balances and what the orchestrator is told
"""
