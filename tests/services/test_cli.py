import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def stemwright(*arguments: str) -> subprocess.CompletedProcess[str]:
    # Some defaults lie in the folder for temporary files; everything else must not depend on this environment.
    environment = {"PATH": os.environ["PATH"], "TMPDIR": "/tmp"}
    return subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env=environment,
        check=False,
    )


def test_the_commented_settings_are_the_defaults() -> None:
    committed = (ROOT / "deploy/settings.env").read_text()
    assert committed == stemwright("settings").stdout, "run: stemwright settings > deploy/settings.env"


def test_the_help_lists_every_command() -> None:
    text = stemwright("--help").stdout
    for command in ("demo", "migrate", "models", "run", "separate", "settings", "up"):
        assert f"  {command} " in text


def test_a_wrong_setting_is_one_line_and_status_78() -> None:
    environment = {"PATH": os.environ["PATH"], "STEMWRIGHT_PORT": "many"}
    started = subprocess.run(
        [sys.executable, "-m", "services.cli", "run", "orchestrator"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env=environment,
        check=False,
    )
    assert started.returncode == 78
    assert started.stderr.count("\n") == 1
    assert "STEMWRIGHT_PORT" in started.stderr


def test_production_refuses_the_development_secret() -> None:
    environment = {"PATH": os.environ["PATH"], "STEMWRIGHT_ENVIRONMENT": "production"}
    started = subprocess.run(
        [sys.executable, "-m", "services.cli", "run", "orchestrator"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env=environment,
        check=False,
    )
    assert started.returncode == 78
    assert "S3_SECRET_ACCESS_KEY" in started.stderr
