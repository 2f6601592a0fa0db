"""Whether parts take the settings that they get, looked at before any of them starts."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module

from pydantic import ValidationError
from pydantic_settings import SettingsError

from services.kit.settings import ServiceSettings
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


def with_time_to_stop(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The same parts, each of which gets what its settings say that its end may take. They are settings that it takes.

    Nothing that the operator has set for a service may be cut short by who ends it.
    """
    timed = []
    for part in parts:
        service = service_of(part.name)
        if service is not None:
            with environment(part.environment):
                settings = _settings_class(service)()
            timed.append(replace(part, stop_seconds=settings.stop_seconds))
        else:
            timed.append(part)
    return tuple(timed)


def _settings_class(service: str) -> type[ServiceSettings]:
    # By name: nothing here knows a service, and a service's settings load little besides themselves.
    kind: type[ServiceSettings] = import_module(f"services.{service}.settings").Settings
    return kind


def _complaints(service: str) -> list[str]:
    kind = _settings_class(service)
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
