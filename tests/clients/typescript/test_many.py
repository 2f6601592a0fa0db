"""Many songs by the client in TypeScript, killed and run again, as by the client in Python."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from services.local.web import node_program
from tests.clients.python.conftest import double
from tests.clients.python.double import KEY, Double
from tests.clients.python.test_folder import PLACES, folder
from tests.clients.typescript.test_separate import PATIENCE_SECONDS, SOURCE

__all__ = ["double", "folder"]


def command(double: Double, output: Path, *paths: Path, parallel: int = 3, key: str = KEY) -> dict[str, Any]:
    """As `subprocess` takes it."""
    program = SOURCE / "test" / "programs" / "many.ts"
    words = [str(node_program()), str(program), str(output), str(parallel), *map(str, paths)]
    return {"args": words, "env": {**os.environ, "STEMWRIGHT_URL": double.url, "STEMWRIGHT_API_KEY": key}}


def separate(double: Double, output: Path, *paths: Path, **more: Any) -> Any:
    run = command(double, output, *paths, **more)
    done = subprocess.run(**run, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_folder_keeps_its_structure(double: Double, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    told = separate(double, output, folder)
    outcomes = told["outcomes"]
    assert [str(Path(each["folder"]).relative_to(output)) for each in outcomes] == PLACES
    assert sorted(told["done"]) == [each["song"] for each in outcomes]
    assert "uploading" in told["stages"]
    assert len(double.jobs) == 6
    assert all((output / place / "vocals.flac").exists() for place in PLACES)


def test_a_run_that_is_killed_is_gone_on_with_and_nothing_paid_twice(
    double: Double, folder: Path, tmp_path: Path
) -> None:
    double.hold.clear()
    with subprocess.Popen(**command(double, tmp_path / "out", folder)) as running:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while double.count("GET .*/events") < 3:
            assert running.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        running.kill()
    assert len(double.jobs) == 3, "three at a time"
    double.hold.set()

    (folder / "3.wav").write_bytes(b"came later " * 200)
    for _ in range(2):
        outcomes = separate(double, tmp_path / "out", folder)["outcomes"]
        assert [each.get("error") for each in outcomes] == [None] * 7
        assert len(double.jobs) == len(double.uploads) == 7
        assert double.credits == 1000 - 7 * 3
    assert not list((tmp_path / "out").rglob("*.part"))


def test_a_song_that_fails_stops_no_other(double: Double, folder: Path, tmp_path: Path) -> None:
    (folder / "2.mp3").write_bytes(b"no music")
    outcomes = separate(double, tmp_path / "out", folder)["outcomes"]
    failed = {Path(each["song"]).name: each["error"] for each in outcomes if each.get("error")}
    assert failed == {"2.mp3": "audio_undecodable"}
    assert len(double.jobs) == 5


def test_a_key_that_does_not_work_ends_the_run(double: Double, folder: Path, tmp_path: Path) -> None:
    assert separate(double, tmp_path / "out", folder, key="sk_wrong", parallel=2) == {"ended": "invalid_api_key"}
    assert len(double.requests) <= 2


def test_nothing_is_begun_where_one_of_those_named_is_not_there(double: Double, folder: Path, tmp_path: Path) -> None:
    ended = separate(double, tmp_path / "out", folder, tmp_path / "absent")["ended"]
    assert "ENOENT" in ended
    assert double.requests == []
