import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from services.kit.settings import KitSettings

ROOT = Path(__file__).parents[2]


def stemwright(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    # Some defaults lie in the folder for temporary files; everything else must not depend on this environment.
    environment = {"PATH": os.environ["PATH"], "TMPDIR": "/tmp", **settings}
    return subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=ROOT,
        env=environment,
        check=False,
    )


def test_the_commented_settings_are_the_defaults() -> None:
    committed = (ROOT / "deploy/settings.env").read_text()
    assert committed == stemwright("settings").stdout, "run: stemwright settings > deploy/settings.env"


def test_variables_of_other_programs_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    untouched = KitSettings()
    others = ("HOST", "PORT", "ENVIRONMENT", "LOG_LEVEL", "LOG_FORMAT", "JWKS_URL", "TOKEN_ISSUER")
    assert {name.lower() for name in others} <= set(KitSettings.model_fields)
    for name in others:
        monkeypatch.setenv(name, "7")

    assert KitSettings() == untouched


def test_every_setting_says_what_it_means() -> None:
    lines = (ROOT / "deploy/settings.env").read_text().splitlines()
    silent = [
        line for before, line in pairwise(lines) if re.match(r"#[A-Z0-9_]+=", line) and not before.startswith("# ")
    ]
    assert silent == []


def test_the_help_lists_every_command() -> None:
    text = stemwright("--help").stdout
    for command in ("demo", "migrate", "models", "run", "separate", "settings", "up"):
        assert f"  {command} " in text


@pytest.mark.parametrize(
    ("setting", "value", "named"),
    [
        ("STEMWRIGHT_PORT", "many", "STEMWRIGHT_PORT"),
        ("STEMWRIGHT_ENVIRONMENT", "production", "S3_SECRET_ACCESS_KEY"),
    ],
    ids=["not a number", "a development secret in production"],
)
def test_a_start_that_cannot_work_is_one_line_and_status_78(setting: str, value: str, named: str) -> None:
    started = stemwright("run", "orchestrator", **{setting: value})
    assert started.returncode == 78
    assert started.stderr.count("\n") == 1
    assert named in started.stderr
