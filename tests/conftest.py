"""Fixtures that every folder of tests may use."""

import gc
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path

import httpcore2
import pytest
from hypothesis import settings

# A machine may be busy: no example fails for what it took.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

pytest_plugins = ["tests.apache_kafka", "tests.broker", "tests.databases", "tests.object_store", "tests.triton_server"]

ROOT = Path(__file__).parents[1]


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Importing leaves a million objects and next to no garbage: the collector need not look for it, then or later.

    It looks at what tests leave less often than by default, which takes three hundredths of their time.
    """
    gc.disable()
    try:
        _import_a_share(session.config)
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(10_000)
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules whose tests wait for a broker or a Triton server come first: others compute meanwhile (record 0093).

    Of several processes the first has them; in the order of their names all would wait at the end, with nothing beside.
    """
    waiting = {item.path for item in items if any(map(item.get_closest_marker, ("kafka", "apache_kafka", "triton")))}
    items.sort(key=lambda item: item.path not in waiting)


@pytest.fixture(scope="session", autouse=True)
def _certificates_are_read_once() -> Iterator[None]:
    """Each client of HTTP reads those of the system when it is made, 20 ms and more, and tests make thousands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpcore2, "default_ssl_context", cache(httpcore2.default_ssl_context))
        yield


def _import_a_share(config: pytest.Config) -> None:
    """One of n test processes imports every n-th module first; then, as all do, all of them.

    Pytest rewrites a module's assertions and keeps the result in a file. Processes that go through the modules side by
    side would each rewrite every one.
    """
    worker = getattr(config, "workerinput", None)
    if worker is None:
        return
    left_out = [(ROOT / path).resolve() for path in config.getoption("ignore") or ()]
    paths = [(ROOT / argument.partition("::")[0]).resolve() for argument in config.args]
    modules = [
        module.relative_to(ROOT)
        for path in paths
        for module in ([path] if path.is_file() else sorted(path.rglob("test_*.py")))
        if module.is_relative_to(ROOT) and not any(module.is_relative_to(path) for path in left_out)
    ]
    for module in modules[int(worker["workerid"].removeprefix("gw")) :: worker["workercount"]]:
        with suppress(Exception, pytest.skip.Exception):  # the collection says what is wrong
            import_module(".".join(module.with_suffix("").parts))
