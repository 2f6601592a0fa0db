"""Child processes of ours that meet what strangers have sent: they find what this process found, and know no more.

What is imported comes from where this process has it from, the system's folder, the user's, or a `PYTHONPATH`. Neither
the working directory nor a setting of ours reaches the child. Python's own isolated mode would keep it from half of the
places where we may be installed.
"""

import os
import sys
from pathlib import Path

FOUND_BY = ("HOME", "PYTHONHOME", "PYTHONUSERBASE", "LD_LIBRARY_PATH", "NIX_LD", "NIX_LD_LIBRARY_PATH")
"""By what Python and the loader find modules and libraries, beside `PYTHONPATH`."""

# Threads of the libraries inside would each reserve address space, which is limited in some children.
_LIBRARIES = {"LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def command(module: str) -> tuple[str, ...]:
    """Runs the module, with the working directory kept off `sys.path`."""
    # What this process was told not to look at, such as by a distribution's `#! /usr/bin/python3 -sP`.
    told = (("-E", sys.flags.ignore_environment), ("-s", sys.flags.no_user_site))
    return (sys.executable, "-P", *(flag for flag, is_set in told if is_set), "-m", module)


def environment() -> dict[str, str]:
    """All that the child has of one; to be given with `/` as its working directory, for what is relative in it."""
    found = {name: os.environ[name] for name in FOUND_BY if name in os.environ}
    # An empty entry would be the working directory.
    folders = [str(Path(entry).absolute()) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    if folders:
        found["PYTHONPATH"] = os.pathsep.join(folders)
    return {**_LIBRARIES, **found}
