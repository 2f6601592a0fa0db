"""The confined child, for real."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from services.upload.prober import COMMAND, ENVIRONMENT, AudioFacts, Prober, Rejection
from services.upload.settings import Settings
from tests.services.upload import songs
from tests.services.upload.conftest import until

CONFINED = """
import json, os, socket, subprocess, sys
from services.upload.probe import ProbeRequest
from services.upload.probe.__main__ import _rehearse, confine
_rehearse()
confine(ProbeRequest(**json.loads(sys.stdin.readline())))
"""


@pytest.fixture
def prober() -> Iterator[Prober]:
    made = Prober(Settings())
    yield made
    made.close()


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(data: bytes) -> Path:
        path = tmp_path / "audio"
        path.write_bytes(data)
        return path

    return write


def nothing() -> None:
    return


def test_it_tells_what_a_full_decode_found(prober: Prober, file: Callable[[bytes], Path]) -> None:
    assert prober.probe(file(songs.wav(2, rate=48_000, channels=1)), nothing) == AudioFacts(
        duration_seconds=2.0,
        samples=96_000,
        sample_rate_hz=48_000,
        channels=1,
        codec="pcm_s16le",
        container="wav",
        complete=True,
    )


@pytest.mark.parametrize(
    ("codec", "container"),
    [("flac", "flac"), ("libmp3lame", "mp3"), ("libopus", "ogg"), ("aac", "ipod"), ("aac", "adts"), ("alac", "mov")],
)
def test_every_container_decodes_behind_the_limits(
    prober: Prober, file: Callable[[bytes], Path], codec: str, container: str
) -> None:
    verdict = prober.probe(file(songs.encoded(codec, container, 2, rate=48_000)), nothing)

    assert isinstance(verdict, AudioFacts), verdict
    assert verdict.duration_seconds == pytest.approx(2, abs=0.1)


def test_a_spare_child_takes_the_next_file(prober: Prober, file: Callable[[bytes], Path]) -> None:
    path = file(songs.wav(0.1))
    prober.warm()
    spare = prober._spare
    assert spare is not None
    prober.warm()
    assert prober._spare is spare

    assert isinstance(prober.probe(path, nothing), AudioFacts)
    assert spare.returncode == 0
    assert isinstance(prober.probe(path, nothing), AudioFacts), "and without a spare one is started"


def test_a_spare_child_that_died_is_replaced(prober: Prober, file: Callable[[bytes], Path]) -> None:
    prober.warm()
    assert prober._spare is not None
    prober._spare.kill()
    prober._spare.wait()

    assert isinstance(prober.probe(file(songs.wav(0.1)), nothing), AudioFacts)


@pytest.mark.parametrize("text", [b"\1\xff\xfeT\0", b"\2\0T", b"\3T", b"\0\xe9", b"\3\xe9"])
def test_letters_of_tags_open_nothing(prober: Prober, file: Callable[[bytes], Path], text: bytes) -> None:
    frame = b"TIT2" + len(text).to_bytes(4, "big") + b"\0\0" + text
    tag = b"ID3\3\0\0\0\0\0" + bytes([len(frame)]) + frame
    assert isinstance(prober.probe(file(tag + songs.encoded("libmp3lame", "mp3", 1)), nothing), AudioFacts)


def test_a_file_that_needs_too_much_memory_is_rejected(file: Callable[[bytes], Path]) -> None:
    settings = Settings().model_copy(update={"probe_memory_bytes": 64 * 1024 * 1024})

    verdict = Prober(settings).probe(file(songs.encoded("flac", "flac", 5)), nothing)

    assert isinstance(verdict, Rejection), "under less memory than the libraries take, nothing can be allocated"


def test_what_beat_raises_ends_the_child(file: Callable[[bytes], Path]) -> None:
    class Stop(Exception):
        pass

    def stop() -> None:
        raise Stop

    command = [sys.executable, "-I", "-c", "import time; time.sleep(60)"]
    begun = time.monotonic()
    with pytest.raises(Stop):
        Prober(Settings(), command=command).probe(file(b"x"), stop)

    assert time.monotonic() - begun < 50
    assert not [child for child in psutil.Process().children() if "sleep(60)" in " ".join(child.cmdline())]


def confined(script: str, tmp_path: Path, *, memory: int = 1 << 30) -> str:
    """What the script prints inside a child that has given up its rights."""
    request = {
        "directory": str(tmp_path),
        "name": "audio",
        "max_duration_seconds": 10,
        "min_sample_rate_hz": 8000,
        "max_sample_rate_hz": 192_000,
        "max_channels": 8,
        "memory_bytes": memory,
        "cpu_seconds": 5,
        "wall_seconds": 5,
    }
    child = subprocess.run(
        [sys.executable, "-I", "-c", CONFINED + script],
        input=json.dumps(request).encode() + b"\n",
        capture_output=True,
        env=ENVIRONMENT,
        cwd=tmp_path,
        check=False,
        timeout=30,
    )
    return child.stdout.decode().strip() or child.stderr.decode()[-300:]


def test_a_confined_child_can_open_one_file_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "audio").write_bytes(b"x")
    script = """
first = os.open("audio", os.O_RDONLY)
for attempt in (lambda: os.open("audio", os.O_RDONLY), lambda: socket.socket(), lambda: os.pipe()):
    try:
        attempt()
    except OSError as error:
        print(error.errno)
"""
    assert confined(script, tmp_path).split() == ["24", "24", "24"]


def test_a_confined_child_cannot_write_a_file(tmp_path: Path) -> None:
    script = """
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
out = os.open("out", os.O_CREAT | os.O_WRONLY)
try:
    os.write(out, b"x")
except OSError as error:
    print(error.errno)
"""
    assert confined(script, tmp_path) == "27"


def test_a_confined_child_cannot_take_more_memory(tmp_path: Path) -> None:
    script = """
try:
    bytearray(1 << 30)
except MemoryError:
    print("refused")
"""
    assert confined(script, tmp_path) == "refused"


def test_the_child_inherits_nothing_of_the_environment(prober: Prober, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_SECRET_ACCESS_KEY", "secret")
    prober.warm()
    assert prober._spare is not None
    environment = until(lambda: psutil.Process(prober._spare.pid).environ(), "the child runs")  # type: ignore[union-attr]

    assert environment == ENVIRONMENT
    assert "-I" in COMMAND


def test_the_child_dies_with_its_parent(tmp_path: Path) -> None:
    script = (
        "import time; from services.upload.prober import Prober; from services.upload.settings import Settings; "
        "p = Prober(Settings()); p.warm(); print(p._spare.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout as output:
        child = psutil.Process(int(output.readline()))
    parent.kill()
    parent.wait()

    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the child is gone")
