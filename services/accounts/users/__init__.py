"""Who there is: registering, profiles, roles, addresses, passwords."""
