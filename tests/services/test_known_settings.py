"""A variable that nothing listens to is told of, and those that something listens to are not."""

import re
from importlib import import_module
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from services.cli import PROCESSES
from services.known_settings import known_names, unknown_settings
from services.local.settings import LocalSettings

DOCUMENTED = (Path(__file__).parents[2] / "deploy/settings.env").read_text()


def test_what_is_known_is_what_is_documented() -> None:
    assert known_names() == set(re.findall(r"^#(STEMWRIGHT_\w+)=", DOCUMENTED, re.MULTILINE))


@pytest.mark.parametrize(
    ("mistyped", "meant"),
    [
        ("STEMWRIGHT_WORKRES", "STEMWRIGHT_WORKERS"),
        ("STEMWRIGHT_GATEWAY_PROT", "STEMWRIGHT_GATEWAY_PORT"),
        ("STEMWRIGHT_HOM", "STEMWRIGHT_HOME"),
    ],
)
def test_what_was_meant_is_said(mistyped: str, meant: str) -> None:
    [sentence] = unknown_settings([mistyped, "PATH"])
    assert sentence == f"{mistyped} is no setting and has no effect; did you mean {meant}?"


def test_what_is_like_nothing_is_told_where_to_look() -> None:
    [sentence] = unknown_settings(["STEMWRIGHT_ZZZZZZZZZZZZZZZZZZZZ"])
    assert sentence.endswith("`stemwright settings` lists those there are")


def test_what_the_guide_s_programs_read_is_not_told_of() -> None:
    guide = Path(__file__).parents[2] / "docs/api.md"
    named = set(re.findall(r"STEMWRIGHT_\w+", guide.read_text(encoding="utf-8")))
    assert {"STEMWRIGHT_URL", "STEMWRIGHT_PASSWORD"} <= named
    assert list(unknown_settings({*named, "STEMWRIGHT_API_KEY"})) == []


def test_what_is_known_is_not_told_of() -> None:
    assert list(unknown_settings([*known_names(), "STEMWRIGHT_TEST_SEED", "STEMWRIGHT_PEER", "HOME"])) == []


@pytest.mark.parametrize("service", [*PROCESSES, "local"])
def test_what_is_told_of_has_no_effect(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pydantic would read a field that has a variable of its own by its name with the service's prefix as well."""
    kind: type[BaseSettings] = (
        LocalSettings if service == "local" else import_module(f"services.{service}.settings").Settings
    )
    untouched = kind()
    prefixes = ("STEMWRIGHT_", f"STEMWRIGHT_{service.upper()}_")
    names = {prefix + field.upper() for prefix in prefixes for field in kind.model_fields} - known_names()
    assert len(names) > 5
    for name in names:
        monkeypatch.setenv(name, "7")
    assert kind() == untouched
