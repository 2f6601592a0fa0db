"""Every variable that something here listens to, and what is said about one that nothing does.

The names are read from the sources of the settings: loading them would load half of every service.
"""

import ast
import difflib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

OURS = "STEMWRIGHT_"
ENGINE = {
    "STEMWRIGHT_CACHE": "Folder for what can be fetched or made again; empty: `stemwright` in the user's cache folder.",
}
"""What the engine reads, in services and on the command line, besides STEMWRIGHT_MODEL_REPOSITORY."""
BUILD_AND_TESTS = ("STEMWRIGHT_AUDIO", "STEMWRIGHT_PEER", "STEMWRIGHT_TEST_")
"""What the Makefile and the tests read. The last is how several begin."""
CLIENTS = frozenset({"STEMWRIGHT_URL", "STEMWRIGHT_EMAIL", "STEMWRIGHT_PASSWORD", "STEMWRIGHT_API_KEY"})
"""What the programs of the guide to the API read, in the same shell perhaps."""


@cache
def known_names() -> frozenset[str]:
    """The variables of all settings of ours that start with `STEMWRIGHT_`."""
    here = Path(__file__).parent
    sources = [here / "kit" / "settings.py", *here.glob("*/settings.py")]
    names = {name for source in sources for name in _names_in(source)}
    return frozenset(name for name in (*names, *ENGINE) if name.startswith(OURS))


def unknown_names(given: Iterable[str]) -> list[str]:
    """Those that look like a setting and are none."""
    ours = (name for name in sorted(given) if name.startswith(OURS) and not name.startswith(BUILD_AND_TESTS))
    return [name for name in ours if name not in known_names() | CLIENTS]


def unknown_settings(given: Iterable[str]) -> Iterator[str]:
    """A sentence for each of them, with the nearest that is one."""
    for name in unknown_names(given):
        near = difflib.get_close_matches(name, known_names(), n=1)
        hint = f"did you mean {near[0]}?" if near else "`stemwright settings` lists those there are"
        yield f"{name} is no setting and has no effect; {hint}"


def _names_in(source: Path) -> Iterator[str]:
    for kind in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(kind, ast.ClassDef):
            yield from _names_of(kind)


def _names_of(kind: ast.ClassDef) -> Iterator[str]:
    prefix = next((_prefix(line.value) for line in kind.body if isinstance(line, ast.Assign)), None)
    for line in kind.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and not _is_class_variable(line):
            yield _alias(line.value) or f"{prefix or OURS}{line.target.id}".upper()


def _is_class_variable(line: ast.AnnAssign) -> bool:
    kind = line.annotation.value if isinstance(line.annotation, ast.Subscript) else line.annotation
    return isinstance(kind, ast.Name) and kind.id == "ClassVar"


def _prefix(config: ast.expr) -> str | None:
    """Of `service_config("upload")` or of `SettingsConfigDict(env_prefix="STEMWRIGHT_", ...)`."""
    if not isinstance(config, ast.Call):
        return None
    if config.args and isinstance(config.args[0], ast.Constant):
        return f"{OURS}{config.args[0].value!s}_"
    named = {word.arg: word.value for word in config.keywords}.get("env_prefix")
    return str(named.value) if isinstance(named, ast.Constant) else None


def _alias(default: ast.expr | None) -> str | None:
    """The name in `validation_alias=_named("S3_BUCKET")`."""
    if not isinstance(default, ast.Call):
        return None
    for word in default.keywords:
        if word.arg == "validation_alias" and isinstance(word.value, ast.Call):
            [name] = word.value.args
            return str(name.value) if isinstance(name, ast.Constant) else None
    return None
