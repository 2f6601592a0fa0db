"""What happened to the safety of accounts: for their owners, and as the audit log for admins."""
