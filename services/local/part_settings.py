"""Whether parts take the settings that they get, looked at before any of them starts."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsError

from services.kit.settings_errors import complaints
from services.local.errors import SettingsWrong
from services.local.part import Part
from services.local.plan import service_of


def check_settings(parts: Iterable[Part]) -> None:
    """Look at the settings of each service with the environment that its part gets; connects to nothing.

    Raises:
        SettingsWrong: it names every one that a service would refuse, once.
    """
    wrong: dict[str, None] = {}
    seen = set()
    for part in parts:
        service = service_of(part.name)
        if service is not None and service not in seen:
            seen.add(service)
            with environment(part.environment):
                wrong.update(dict.fromkeys(_complaints(service)))
    if wrong:
        raise SettingsWrong(wrong)


def _complaints(service: str) -> list[str]:
    # By name: nothing here knows a service, and a service's settings load little besides themselves.
    kind: type[BaseSettings] = import_module(f"services.{service}.settings").Settings
    try:
        kind()
    except (ValidationError, SettingsError) as error:
        return complaints(error, kind)
    return []


@contextmanager
def environment(more: Mapping[str, str]) -> Iterator[None]:
    """The environment of a part, for what reads its own: the one at hand with `more` in it, until the block ends.

    It is this whole process's. No other thread may read it meanwhile.
    """
    before = {name: os.environ.get(name) for name in more}
    os.environ.update(more)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
