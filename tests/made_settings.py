"""Settings of services, made once for each choice of them: to make them takes as long as some requests."""

from typing import Any, TypeVar

from services.kit.settings import ServiceSettings

S = TypeVar("S", bound=ServiceSettings)

_MADE: dict[tuple[type[ServiceSettings], str], ServiceSettings] = {}


def made_settings(kind: type[S], **chosen: Any) -> S:
    """`kind(**chosen)`, for tests in which the environment says nothing."""
    key = kind, repr(sorted(chosen.items()))
    if key not in _MADE:
        _MADE[key] = kind(**chosen)
    made = _MADE[key].model_copy()
    assert isinstance(made, kind)
    return made
