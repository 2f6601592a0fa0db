"""What the routes of the services ask for."""

from collections.abc import Callable, Iterator
from inspect import iscoroutinefunction, isfunction
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from services.gateway.routes import Upstream
from services.kit.dependencies import current_principal
from services.openapi import ROUTERS


def functions_asked(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    """By a route itself, and by what it asks."""
    for asked in dependant.dependencies:
        if isfunction(asked.call):
            yield asked.call
        yield from functions_asked(asked)


def test_only_what_may_have_to_wait_goes_to_another_thread() -> None:
    """Whose token it is waits, where the keys have to be fetched; all else is there already."""
    asked = {
        function
        for upstream, routers in ROUTERS.items()
        if upstream is not Upstream.GATEWAY
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for function in functions_asked(route.dependant)
    }
    assert len(asked) > 20
    assert {function for function in asked if not iscoroutinefunction(function)} == {current_principal}
