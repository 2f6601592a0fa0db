"""Ids that a test can tell apart at a glance; real ones are drawn, and end in sixteen random digits."""


def numbered(prefix: str, number: int = 1) -> str:
    """The id of that prefix that ends in this number, which has up to ten decimal digits."""
    return f"{prefix}_01jd000000000000{number:010d}"
