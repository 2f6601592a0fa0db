"""The client in TypeScript in Node.js, which reads it as it stands, against the double of the other client's tests.

What needs packages of npm (types, style, the standard's own package for webhooks) is `make check-typescript`.
"""

import hashlib
import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from services.local.web import node_program
from tests.clients.python.conftest import double, song
from tests.clients.python.double import KEY, Double, Fault, named

__all__ = ["double", "song"]
SOURCE = Path(__file__).parents[3] / "clients" / "typescript"
JOB, UPLOAD = named("job", 1), named("upl", 1)
PATIENCE_SECONDS = 120


def command(double: Double, song: Path, output: Path, **order: Any) -> tuple[list[str], dict[str, str]]:
    program = SOURCE / "test" / "programs" / "separate.ts"
    environment = {**os.environ, "STEMWRIGHT_URL": double.url, "STEMWRIGHT_API_KEY": KEY}
    # The double takes orders whose every field is told.
    whole = {"mode": "full", "tier": "fast", "stems": ["vocals", "instrumental"], **order}
    return [str(node_program()), str(program), str(song), str(output), json.dumps(whole)], environment


def separate(double: Double, song: Path, output: Path, **order: Any) -> dict[str, Any]:
    words, environment = command(double, song, output, **order)
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_a_song_becomes_its_stems(double: Double, song: Path, tmp_path: Path) -> None:
    told = separate(double, song, tmp_path / "out")
    assert told["stages"] == ["uploading", "checking", "waiting", "separating", "downloading"]
    for stem in double.jobs[JOB]["stems"]:
        content = Path(told["files"][stem["name"]]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == stem["sha256"]
    assert told["inMemory"] == len(double.stems[f"{JOB}/vocals"])
    assert (told["events"], told["jobs"], told["available_credits"]) == (["progress", "status"], [JOB], 997)
    assert told["fetched"] == "theirs.wav"
    # Again there is nothing to do but what each run of the program asks for besides.
    double.requests.clear()
    separate(double, song, tmp_path / "out")
    assert double.count("POST .*") == double.count("POST /v1/uploads") == 1
    assert len(double.jobs) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault("POST /v1/uploads", "lose"),
        Fault("PUT /store/.*", "drop", times=2),
        Fault(f"PUT /store/{UPLOAD}/3", 403),
        Fault("POST .*/complete", "lose"),
        Fault("POST /v1/jobs", "lose", times=2),
        Fault("POST /v1/jobs", 409, headers={"Retry-After": "0"}, code="idempotency_in_progress"),
        Fault("GET .*/events", "cut"),
        Fault("GET .*/events", "mute"),
        Fault("GET .*/events", 503),
        Fault(f"GET /store/{JOB}/vocals", "cut", times=2),
        Fault(f"GET /store/{JOB}/vocals", 503),
    ],
    ids=lambda fault: f"{fault.requests} {fault.what}",
)
def test_what_passes_by_itself_is_tried_again_and_paid_once(
    double: Double, song: Path, tmp_path: Path, fault: Fault
) -> None:
    double.faults.append(fault)
    told = separate(double, song, tmp_path / "out")
    assert set(told["files"]) == {"vocals", "instrumental"}
    assert fault.times < 1
    assert len(double.jobs) == 1
    assert not list((tmp_path / "out" / "my song").glob(".*")), "something was left over"


def test_a_run_that_is_killed_is_gone_on_with_and_nothing_paid_twice(
    double: Double, song: Path, tmp_path: Path
) -> None:
    double.hold.clear()
    words, environment = command(double, song, tmp_path / "out")
    with subprocess.Popen(words, env=environment) as running:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while double.count("GET .*/events") < 1:
            assert running.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        running.kill()
    double.answers.clear()  # a day later
    double.hold.set()
    assert separate(double, song, tmp_path / "out")["job"] == JOB
    assert double.count("PUT /store/.*") == 4


def test_what_is_refused_has_its_code(double: Double, song: Path, tmp_path: Path) -> None:
    double.credits = 2
    assert separate(double, song, tmp_path / "out")["error"] == "insufficient_credits"
    double.credits = 1000
    double.end = lambda _job: "failed"
    assert separate(double, song, tmp_path / "out")["error"] == "separation_failed"
    double.end = lambda _job: "succeeded"
    assert separate(double, song, tmp_path / "out")["job"] == named("job", 2)
    (tmp_path / "text.mp3").write_bytes(b"no music")
    assert separate(double, tmp_path / "text.mp3", tmp_path / "out")["error"] == "audio_undecodable"


def test_an_output_that_cannot_be_written_is_told_before_anything_is_uploaded(
    double: Double, song: Path, tmp_path: Path
) -> None:
    (tmp_path / "taken").touch()
    words, environment = command(double, song, tmp_path / "taken")
    refused = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert refused.returncode == 1
    assert f"ENOTDIR: not a directory, mkdir '{tmp_path}/taken/" in refused.stderr
    assert double.requests == []


def test_an_empty_file_is_refused_before_anything_is_sent(double: Double, tmp_path: Path) -> None:
    (tmp_path / "empty.mp3").touch()
    refused = separate(double, tmp_path / "empty.mp3", tmp_path / "out")
    assert refused == {"error": "audio_empty", "message": "The file is empty."}
    assert double.requests == []


def test_a_song_that_ends_early_is_separated_and_its_sender_is_told(double: Double, tmp_path: Path) -> None:
    half = tmp_path / "half.mp3"
    half.write_bytes(b"half of it")
    words, environment = command(double, half, tmp_path / "out")
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS)
    assert json.loads(done.stdout)["job"] == JOB
    assert done.stderr == "half.mp3 is damaged or ends early: 3.0 s of it can be read\n"


def test_what_browsers_load_is_nothing_of_node() -> None:
    """By every import that leads on from the index."""
    seen: set[Path] = set()
    waiting = [SOURCE / "src" / "index.ts"]
    while waiting:
        path = waiting.pop()
        if path in seen or path.name == "schema.ts":  # types alone, which are made when it is checked
            continue
        seen.add(path)
        named = re.findall(r'from "([^"]+)"', path.read_text())
        assert [name for name in named if not name.startswith("./")] == []
        waiting += [path.parent / name for name in named]
    assert {"client.ts", "webhooks.ts", "uploads.ts"} <= {path.name for path in seen}
    assert "node.ts" not in {path.name for path in seen}
