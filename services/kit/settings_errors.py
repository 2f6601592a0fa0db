"""What a person is told about a setting that is wrong: the variable, its value and what is expected of it."""

import os
import re
from collections.abc import Mapping
from typing import Any

from pydantic import AliasChoices, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsError

from services.kit.validation import sentence

SECRET_NAME = re.compile(r"SECRET|PASSWORD|TOKEN$|(?<!_ID)_KEY$|DATABASE_URL")
PASSWORD_IN_URL = re.compile(r"(?<=://)[^/\s]*@")
LONGEST_VALUE_SHOWN = 80


def variable_of(settings_class: type[BaseSettings], field: str) -> str:
    """The environment variable that a field is read from."""
    alias = settings_class.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return (settings_class.model_config.get("env_prefix", "") + field).upper()


def complaints(
    error: ValidationError | SettingsError,
    settings_class: type[BaseSettings],
    environment: Mapping[str, str] = os.environ,
) -> list[str]:
    """A sentence for each thing that is wrong."""
    if isinstance(error, SettingsError):
        # Raised for what is no JSON, and names its field in its text only.
        named = re.search(r'field "(\w+)"', str(error))
        if named is None:
            return [str(error)]
        return [f"{_shown(settings_class, named[1], environment)}; it must be JSON"]
    return [_complaint(problem, settings_class, environment) for problem in error.errors(include_url=False)]


def _complaint(problem: Any, settings_class: type[BaseSettings], environment: Mapping[str, str]) -> str:
    expected = sentence(problem)
    if expected.startswith(("is ", "must ", "has ")):
        expected = f"it {expected}"
    if not problem["loc"]:
        return expected  # about several settings, which it names itself
    if problem["type"] == "missing":
        return f"{_variable(settings_class, str(problem['loc'][0]))} is needed"
    return f"{_shown(settings_class, str(problem['loc'][0]), environment)}; {expected}"


def _shown(settings_class: type[BaseSettings], location: str, environment: Mapping[str, str]) -> str:
    variable = _variable(settings_class, location)
    value = next((value for name, value in environment.items() if name.upper() == variable), "")
    if _is_secret(settings_class, variable):
        value = "****"
    value = PASSWORD_IN_URL.sub("****@", value)
    if len(value) > LONGEST_VALUE_SHOWN:
        value = f"{value[:LONGEST_VALUE_SHOWN]}..."
    return f"{variable} is {value!r}"


def _variable(settings_class: type[BaseSettings], location: str) -> str:
    """Pydantic names a field by its alias, where it has one."""
    return variable_of(settings_class, location) if location in settings_class.model_fields else location


def _is_secret(settings_class: type[BaseSettings], variable: str) -> bool:
    secret = any(
        "SecretStr" in str(info.annotation) or info.annotation is SecretStr
        for field, info in settings_class.model_fields.items()
        if variable_of(settings_class, field) == variable
    )
    return secret or SECRET_NAME.search(variable) is not None
