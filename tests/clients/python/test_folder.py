"""Many songs, some at a time, killed and run again."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from stemwright_client import Client, Outcome, Unauthorized, UploadRejected
from tests.clients.python.double import KEY, Double

PROGRAM = """
import sys
from stemwright_client import Client
with Client() as client:
    client.separate_folder(sys.argv[1], sys.argv[2], parallel=3)
"""
PATIENCE_SECONDS = 120


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six songs, two of them of one name but for the suffix, and what is none."""
    folder = tmp_path / "Album"
    for name in ("1.wav", "2.mp3", "cd2/1.wav", "cd2/2.flac", "cd2/2.wav", "cd2/ä.ogg"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"song {name} ".encode() * 300)
    (folder / "cover.jpg").write_bytes(b"jpg")
    (folder / ".hidden.wav").write_bytes(b"hidden")
    return folder


PLACES = ["1", "2", "cd2/1", "cd2/2", "cd2/2 (2)", "cd2/ä"]


def test_a_folder_keeps_its_structure(client: Client, double: Double, folder: Path, tmp_path: Path) -> None:
    told: list[Outcome] = []
    outcomes = client.separate_folder(folder, tmp_path / "out", on_outcome=told.append)
    assert sorted(each.song for each in told) == [each.song for each in outcomes]
    made = [each.separation.folder for each in outcomes if each.separation]
    assert sorted(str(path.relative_to(tmp_path / "out")) for path in made) == PLACES
    assert len(double.jobs) == 6
    assert all((path / "vocals.flac").exists() for path in made)


def test_a_run_that_is_killed_is_gone_on_with_and_nothing_paid_twice(
    client: Client, double: Double, folder: Path, tmp_path: Path
) -> None:
    double.hold.clear()
    command = [sys.executable, "-c", PROGRAM, str(folder), str(tmp_path / "out")]
    with subprocess.Popen(
        command, env={**os.environ, "STEMWRIGHT_URL": double.url, "STEMWRIGHT_API_KEY": KEY}
    ) as running:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while double.count("GET .*/events") < 3:
            assert running.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        running.send_signal(signal.SIGKILL)
    assert len(double.jobs) == 3
    double.hold.set()

    (folder / "3.wav").write_bytes(b"came later " * 200)
    for _ in range(2):
        outcomes = client.separate_folder(folder, tmp_path / "out")
        assert [each.error for each in outcomes] == [None] * 7
        assert len(double.jobs) == len(double.uploads) == 7
        assert double.credits == 1000 - 7 * 3
    # Each part went once but for those that were on their way.
    parts = Counter(request for request in double.requests if request.startswith("PUT"))
    assert sum(parts.values()) - len(parts) <= 3
    assert not list((tmp_path / "out").rglob("*.part"))


def test_killed_at_every_step_it_pays_once(double: Double, tmp_path: Path) -> None:
    """Two songs, one after the other: each run is killed a few requests further on than the one before."""
    (tmp_path / "two").mkdir()
    for name in ("1.wav", "2.wav"):
        (tmp_path / "two" / name).write_bytes(name.encode() * 500)
    program = PROGRAM.replace("parallel=3", "parallel=1")
    command = [sys.executable, "-c", program, str(tmp_path / "two"), str(tmp_path / "out")]
    environment = {**os.environ, "STEMWRIGHT_URL": double.url, "STEMWRIGHT_API_KEY": KEY}

    def killed_after(requests: int) -> bool:
        """Whether it was, with the last of them unanswered; else it has ended well."""
        double.requests.clear()
        killed = threading.Event()

        def wait_for_the_kill() -> None:
            if len(double.requests) >= requests:
                assert killed.wait(PATIENCE_SECONDS)

        double.before = wait_for_the_kill
        deadline = time.monotonic() + PATIENCE_SECONDS
        with subprocess.Popen(command, env=environment) as running:
            while len(double.requests) < requests and running.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.002)
            running.kill()
        killed.set()
        assert running.returncode in (0, -signal.SIGKILL)
        return running.returncode != 0

    runs = 1
    while killed_after(2 * runs):
        runs += 1
    assert runs > 3
    stems = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.flac"))
    assert stems == [f"{song}/{stem}.flac" for song in ("1", "2") for stem in ("instrumental", "vocals")]
    assert (len(double.jobs), double.credits) == (2, 1000 - 2 * 3)


def test_a_song_that_fails_stops_no_other(client: Client, double: Double, folder: Path, tmp_path: Path) -> None:
    (folder / "2.mp3").write_bytes(b"no music")
    outcomes = client.separate_folder(folder, tmp_path / "out", parallel=2)
    failed = {each.song.name: each.error for each in outcomes if each.error}
    assert list(failed) == ["2.mp3"]
    assert isinstance(failed["2.mp3"], UploadRejected)
    assert len(double.jobs) == 5


def test_a_key_that_does_not_work_ends_the_run_at_once(double: Double, folder: Path, tmp_path: Path) -> None:
    with Client("sk_wrong", double.url) as client, pytest.raises(Unauthorized):
        client.separate_folder(folder, tmp_path / "out", parallel=2)
    assert len(double.requests) <= 2


def test_nothing_is_begun_where_one_of_those_named_is_not_there(
    client: Client, double: Double, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        client.separate_many([folder, tmp_path / "absent"], tmp_path / "out")
    assert double.requests == []


def test_stems_in_the_folder_itself_are_no_songs(client: Client, double: Double, folder: Path) -> None:
    for _ in range(2):
        assert len(client.separate_folder(folder, folder / "stems")) == 6
    assert len(double.jobs) == 6
