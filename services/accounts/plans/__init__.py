"""What things cost: packs of credits, plans, and the credits of a second of sound."""
