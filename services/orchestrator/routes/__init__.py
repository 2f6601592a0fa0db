"""HTTP of the orchestrator: `jobs` for clients, `internal` for the gateway."""
