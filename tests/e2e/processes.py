"""Which processes a platform has on this machine."""

import psutil

from services.local.home import Home


def processes_of(home: Home) -> list[str]:
    """Command lines of everything that inherited the settings of the platform in `home`, started by whomever."""
    marker = str(home.temporary)
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") == marker and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found
