"""What the client does, step by step; `stemwright_client.steps` says how it is run."""
