"""Every query of the accounts service. Whatever belongs to an account is asked for by account."""
