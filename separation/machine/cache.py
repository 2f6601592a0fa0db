"""The user's folders: one for what can be fetched or made again, one for what is kept."""

import os
import stat
import tempfile
from pathlib import Path


def cache_directory() -> Path:
    """``STEMWRIGHT_CACHE``, else ``stemwright`` in the user's cache folder, which is made if need be.

    Where that cannot be written, as in many containers, it is a folder of this user's own among the temporary files.
    """
    if configured := os.environ.get("STEMWRIGHT_CACHE"):
        return Path(configured)
    folder = _user_folder("XDG_CACHE_HOME", ".cache")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return _private_folder()
    return folder if os.access(folder, os.W_OK | os.X_OK) else _private_folder()


def data_directory() -> Path:
    """``stemwright`` in the user's data folder. Need not exist."""
    return _user_folder("XDG_DATA_HOME", ".local/share")


def _user_folder(variable: str, usual: str) -> Path:
    # Paths that are not absolute are to be ignored: https://specifications.freedesktop.org/basedir-spec/latest/
    configured = Path(os.environ.get(variable, ""))
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - `Path.home` raises where a user has none
    return (configured if configured.is_absolute() else home / usual) / "stemwright"


def _private_folder() -> Path:
    """The same one for every process of the user; one that somebody else may have laid there is not taken."""
    folder = Path(tempfile.gettempdir(), f"stemwright-cache-{os.geteuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is somebody else's: set STEMWRIGHT_CACHE to a folder that can be written")
    return folder
