"""What admins do to accounts: finding them, roles, disabling, credits."""
