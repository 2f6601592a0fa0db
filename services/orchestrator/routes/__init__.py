"""HTTP of the orchestrator: `jobs` and `shares` for clients, `internal` for the gateway."""
