import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.cli import main, named_with_its_extra
from services.kit.migrations import migrate
from services.kit.settings import load
from services.orchestrator.settings import Settings

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
    # Whatever is set where somebody asks, which may be a secret.
    given = {"STEMWRIGHT_HOME": "/srv/music", "DATABASE_URL": "postgresql://u:kR7-p4q@db/x", "S3_BUCKET": "mine"}
    assert committed == stemwright("settings", **given).stdout, "run: stemwright settings > deploy/settings.env"


def test_variables_of_other_programs_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    untouched = Settings()
    others = ("HOST", "PORT", "ENVIRONMENT", "LOG_LEVEL", "LOG_FORMAT", "JWKS_URL", "TOKEN_ISSUER")
    assert {name.lower() for name in others} <= set(Settings.model_fields)
    for name in others:
        monkeypatch.setenv(name, "7")

    assert Settings() == untouched


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


def test_a_start_that_cannot_work_is_one_line_and_status_78() -> None:
    started = stemwright("run", "orchestrator", STEMWRIGHT_PORT="many")
    assert started.returncode == 78
    assert started.stderr.count("\n") == 1
    assert "STEMWRIGHT_PORT" in started.stderr


def test_a_file_for_a_database_in_production_is_one_line_and_status_78(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STEMWRIGHT_ENVIRONMENT", "production")
    monkeypatch.setenv("STEMWRIGHT_KAFKA_ALLOW_PLAINTEXT", "true")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(SystemExit) as ended:
        load(Settings)
    assert ended.value.code == 78
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "DATABASE_URL" in told


@pytest.mark.parametrize(
    ("module", "extra"),
    [("opentelemetry.exporter", "otlp"), ("opentelemetry", "services"), ("grpc._channel", "triton")],
)
def test_a_library_that_only_a_setting_needs_is_named_with_its_extra(module: str, extra: str) -> None:
    error = named_with_its_extra(ModuleNotFoundError(name=module), "run")
    assert f"pip install 'stemwright[{extra}]'" in str(error)


def test_a_setting_that_is_none_is_warned_about() -> None:
    warned = stemwright("settings", STEMWRIGHT_WORKRES="2")
    assert warned.stderr == (
        "stemwright: STEMWRIGHT_WORKRES is no setting and has no effect; did you mean STEMWRIGHT_WORKERS?\n"
    )


@pytest.mark.parametrize("arguments", [("--help",), ("settings",), ("status",)], ids="".join)
def test_an_output_that_cannot_be_written_is_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "services.cli", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=240,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "STEMWRIGHT_HOME": str(tmp_path / "home")},
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (1, "stemwright: No space left on device\n")


def test_a_folder_that_no_disk_can_have_is_one_line() -> None:
    for command in ("status", "logs", "stop", "up"):
        ended = stemwright(command, STEMWRIGHT_HOME="x" * 300)
        assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
        assert "File name too long" in ended.stderr


def test_a_database_that_is_none_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "accounts.db").write_text("something else, and long enough to be taken for a page of a database")
    ended = stemwright("migrate", DATABASE_URL=f"sqlite:///{tmp_path}/{{service}}.db")
    assert ended.returncode == 1
    assert ended.stderr == "Error: the database of accounts cannot be used: file is not a database\n"


def test_one_file_for_all_services_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    ended = stemwright("migrate", DATABASE_URL=f"sqlite:///{tmp_path}/fresh.db")
    assert (ended.returncode, ended.stderr.count("\n")) == (78, 1)
    assert "{service}" in ended.stderr
    assert not any(tmp_path.iterdir())


def test_a_schema_of_a_newer_version_is_left_as_it_is_and_refused_on_one_machine(tmp_path: Path) -> None:
    """After `helm rollback` the hook of the next `helm upgrade` runs `migrate` of the version that is there again; on
    one machine an older version was installed over the data of a newer one."""
    url = f"sqlite:///{tmp_path}/{{service}}.db"
    migrate(url, "accounts")
    with closing(sqlite3.connect(tmp_path / "accounts.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    left = "accounts: schema is at revision 9999, of a newer version, and is left as it is\n"
    for arguments in ((), ("--check",)):
        ended = stemwright("migrate", "accounts", *arguments, DATABASE_URL=url)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, left, "")
    ended = stemwright("migrate", "accounts", "--refuse-newer", DATABASE_URL=url)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "made by a newer version of Stemwright" in ended.stderr
    assert "restore the backup" in ended.stderr


def test_a_migration_loads_no_more_than_it_needs(tmp_path: Path) -> None:
    """Neither what only services need, nor, where there is nothing to do, what does it: every start waits for it."""
    program = (
        "import sys; from services.cli import main; main(['migrate'], standalone_mode=False); "
        "print(sorted({'alembic', 'fastapi', 'rich'} & {*sys.modules}))"
    )
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": f"sqlite:///{tmp_path}/{{service}}.db"}
    for loaded in (["alembic"], []):
        ended = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, env=environment, check=False
        )
        assert ended.stdout.splitlines()[-1:] == [str(loaded)], ended.stdout + ended.stderr
        assert ended.stdout.count("schema is up to date") == 4


def test_what_serves_no_routes_loads_no_fastapi() -> None:
    """It would be a fifth of what a worker takes to start, and of what a command about accounts takes."""
    program = (
        "import sys\nfor name in sys.argv[1:]:\n    __import__(name)\n    assert 'fastapi' not in sys.modules, name"
    )
    light = ("worker.main", "canary.main", "accounts.cli", "backup.cli", "doctor.cli")
    subprocess.run([sys.executable, "-c", program, *(f"services.{name}" for name in light)], cwd=ROOT, check=True)


def test_what_a_command_has_loaded_is_never_searched_for_garbage(tmp_path: Path) -> None:
    program = (
        "import gc; from services.cli import without_collection\nwith without_collection(): import services.kit.app\n"
    )
    counts = "print(gc.isenabled(), gc.get_freeze_count() > 10 * len(gc.get_objects()))"
    ended = subprocess.run(
        [sys.executable, "-c", program + counts], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert ended.stdout == "True True\n"


def test_ctrl_c_while_a_command_is_imported_ends_as_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_module: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("services.cli.import_module", interrupted)
    told = CliRunner().invoke(main, ["separate", "song.mp3"])
    assert (told.exit_code, told.output) == (130, "")
    told = CliRunner().invoke(main, ["separate", "song.mp3", "--json"])
    assert (told.exit_code, told.stderr) == (130, "")
    assert json.loads(told.stdout)["error"]["code"] == "interrupted"
