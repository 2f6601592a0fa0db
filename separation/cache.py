"""The folder for what can be fetched or made again."""

import os
from pathlib import Path


def cache_directory() -> Path:
    """``STEMWRIGHT_CACHE``, else ``stemwright`` in the user's cache folder. Need not exist."""
    if configured := os.environ.get("STEMWRIGHT_CACHE"):
        return Path(configured)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stemwright"
