"""What can go wrong on one machine, as a person is told it.

```
LocalError
  HomeInUse          another supervisor runs in this home
  HolderUnknown      a supervisor runs in this home, and does not say which process it is
  HalfRestored       a backup was not put back into this home to the end
  HomeUnusable       the folder cannot be made or written
  PortTaken          another program listens on the port that was asked for
  AddressUnusable    the gateway cannot listen on the address that was asked for
  StartFailed        a part did not come up
  SettingsWrong      a part that was to start would refuse its settings
  NotEnding          the supervisor does not end, or is another person's
  NoPythonForTriton  the server's backend can embed none of the Pythons here
  PagesNotBuilt      npm could not install what builds the web app, or building it failed
  DemoFailed         the platform did not separate the song
```
"""

import errno
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from services.kit.settings import EX_CONFIG


class LocalError(Exception):
    """Its text is for the person at the terminal."""

    status = 1
    """What a command ends with."""


class HomeInUse(LocalError):
    def __init__(self, home: Path, pid: str, *, restoring: bool = False) -> None:
        whose = f" (process {pid})" if pid else ""
        if restoring:
            super().__init__(f"a backup is being restored into {home}{whose}: wait until it is done")
            return
        super().__init__(
            f"{home} is in use by another `stemwright up`{whose}: `stemwright stop` ends it, and STEMWRIGHT_HOME names "
            "another home"
        )


class HolderUnknown(LocalError):
    def __init__(self, lock: Path) -> None:
        super().__init__(
            f"a process holds {lock} whose number does not stand there any more: find it with `fuser {lock}`, and end "
            "it with `kill`; what it started ends with it"
        )


class HalfRestored(LocalError):
    def __init__(self, home: Path, backup: str) -> None:
        super().__init__(
            f"{home} holds half of a backup, for its restore was broken off: `stemwright restore {backup}` removes "
            "that half and begins anew"
        )


FULL = (errno.ENOSPC, errno.EDQUOT)


class HomeUnusable(LocalError):
    def __init__(self, home: Path, error: OSError) -> None:
        super().__init__(
            f"{home} cannot be used: {error.strerror}; "
            + ("make room there, or set" if error.errno in FULL else "set")
            + " STEMWRIGHT_HOME to a folder that can be written"
        )


class PortTaken(LocalError):
    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"port {port} on {host} is in use by another program; STEMWRIGHT_GATEWAY_PORT asks for another one, and "
            "without it a free one is taken"
        )


class AddressUnusable(LocalError):
    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"the gateway cannot listen on {host}, port {port}: {reason}; STEMWRIGHT_GATEWAY_HOST is an address of "
            "this machine, and STEMWRIGHT_GATEWAY_PORT a port that this user may take (from 1024 on)"
        )


class StartFailed(LocalError):
    """Says which part, why, what it printed last and where the rest is."""


class SettingsWrong(LocalError):
    status = EX_CONFIG

    def __init__(self, complaints: Iterable[str]) -> None:
        super().__init__("\nstemwright: ".join(complaints))


class NotEnding(LocalError):
    """Says which process."""


class DemoFailed(LocalError):
    pass


class NoPythonForTriton(LocalError):
    """NumPy 1, which the backend needs, has no wheels for Python 3.13 and later."""


class PagesNotBuilt(LocalError):
    """Says what npm or Vite said first."""


@contextmanager
def told_to_a_person() -> Iterator[None]:
    """What goes wrong in the block ends the process, with a line that says what."""
    try:
        yield
    except LocalError as error:
        click.echo(f"stemwright: {error}", err=True)
        sys.exit(1)
