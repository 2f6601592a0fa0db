"""Settings as a commented file of the environment, made of the classes: `stemwright settings`."""

import ast
import inspect
import json
import textwrap
from collections.abc import Collection
from itertools import pairwise

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from services.kit.settings_errors import variable_of


def document(settings_class: type[BaseSettings], title: str, told: Collection[str] = ()) -> str:
    """Settings as the text of an environment file: each with its meaning and its default.

    Of a group that services share, or of a service: then those that are its own. Names `told` before are left out.
    """
    meanings = _meanings(settings_class)
    lines = [f"# {title}", ""]
    for field, info in settings_class.model_fields.items():
        name = variable_of(settings_class, field)
        if field in settings_class.__annotations__ and name not in told:
            # Of a default that is made from the environment an example is told, what it is where nothing is set.
            default = _as_text(info.examples[0] if info.examples else info.default)
            lines += described(name, meanings.get(field, ""), default)
    return "\n".join(lines)


def described(name: str, meaning: str, default: str) -> list[str]:
    """The lines of one setting in an environment file."""
    return [*(f"# {line}" for line in textwrap.wrap(meaning, 110)), f"#{name}={default}", ""]


def _meanings(settings_class: type[BaseSettings]) -> dict[str, str]:
    """The docstring below each field. Read from the source when somebody asks: pydantic would at every start."""
    body = ast.parse(textwrap.dedent(inspect.getsource(settings_class))).body[0]
    assert isinstance(body, ast.ClassDef)  # noqa: S101 - it is the source of a class
    return {
        field.target.id: inspect.cleandoc(below.value.value)
        for field, below in pairwise(body.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }


def _as_text(default: object) -> str:
    if default is None:
        return ""
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    if isinstance(default, dict | list | tuple):
        return json.dumps(default)
    return str(default)
