"""What can go wrong on one machine, as a person is told it.

```
LocalError
  HomeInUse          another supervisor runs in this home
  HomeUnusable       the folder cannot be made or written
  PortTaken          another program listens on the port that was asked for
  StartFailed        a part did not come up
  NoPythonForTriton  the server's backend can embed none of the Pythons here
  DemoFailed         the platform did not separate the song
```
"""

from pathlib import Path


class LocalError(Exception):
    """Its text is for the person at the terminal."""


class HomeInUse(LocalError):
    def __init__(self, home: Path, pid: str) -> None:
        whose = f" (process {pid})" if pid else ""
        super().__init__(f"{home} is in use by another `stemwright up`{whose}; stop it or set STEMWRIGHT_HOME")


class HomeUnusable(LocalError):
    def __init__(self, home: Path, error: OSError) -> None:
        super().__init__(
            f"{home} cannot be used: {error.strerror}; set STEMWRIGHT_HOME to a folder that can be written"
        )


class PortTaken(LocalError):
    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"port {port} on {host} is in use by another program")


class StartFailed(LocalError):
    """Says which part, why, what it printed last and where the rest is."""


class DemoFailed(LocalError):
    pass


class NoPythonForTriton(LocalError):
    """NumPy 1, which the backend needs, has no wheels for Python 3.13 and later."""
