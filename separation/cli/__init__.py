"""The engine on the command line: ``stemwright separate`` and ``stemwright models``. Each is loaded when it is used."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from separation.cli.command import separate as separate
    from separation.cli.model_commands import models as models

_HOME_OF = {"separate": "command", "models": "model_commands"}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
