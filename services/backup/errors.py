"""What can be in the way of a backup."""


class BackupError(Exception):
    """Its text is for the person at the terminal, and has no secret in it."""
