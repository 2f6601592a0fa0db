"""The confined child, for real."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from services.kit.children import environment
from services.upload.prober import COMMAND, AudioFacts, ProbeFailed, Prober, Rejection
from services.upload.settings import Settings
from tests.services.upload import songs
from tests.services.upload.conftest import until

CONFINED = """
import json, os, resource, signal, socket, sys, time
from services.upload.probe import ProbeRequest
from services.upload.probe.__main__ import Memory, _rehearse, confine
_rehearse()
file, out = open("audio", "rb"), open("out", "wb", buffering=0)
request = ProbeRequest(**json.loads(sys.stdin.readline()))
memory, allowance = Memory(request.memory_bytes), confine(request, 1 << 20)
"""


SLOW_DECODER = """
import contextlib
from services.upload.probe import __main__ as probe
read_audio = probe.read_audio
@contextlib.contextmanager
def read_for_ever(file, limits):
    with read_audio(file, limits):
        while True:
            pass
probe.read_audio = read_for_ever
probe.main()
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


MEBIBYTE = 1024 * 1024

GREEDY = {
    "a table of samples that are not there": lambda: songs.claiming_samples(20_000_000),
    "the same in a second track": lambda: songs.claiming_samples(20_000_000, in_a_second_track=True),
    "as large a table as is allowed, in many tracks": lambda: songs.claiming_samples(1_500_000, in_tracks=8),
    "hundreds of tracks": lambda: songs.with_tracks(500),
    "a tag with a hundred thousand entries": lambda: songs.with_tag_entries(100_000),
    "a picture as large as tags may be": lambda: songs.with_picture(15 * MEBIBYTE),
}


@pytest.fixture(scope="module")
def usual_peak(tmp_path_factory: pytest.TempPathFactory) -> int:
    """The most memory that a probe of a short song has, in bytes."""
    path = tmp_path_factory.mktemp("usual") / "audio"
    path.write_bytes(songs.wav(1))
    return ended(path)[0]


@pytest.mark.parametrize("what", GREEDY)
def test_no_file_takes_more_memory_than_decoding_may(file: Callable[[bytes], Path], usual_peak: int, what: str) -> None:
    path = file(GREEDY[what]())

    peak, output = ended(path)

    assert peak - usual_peak < 200 * MEBIBYTE, output
    assert output == b"" or json.loads(output)["outcome"] in ("facts", "refused"), output


TAKES = """
import sys
from pathlib import Path
from separation.audio.decode import probe
from services.upload.probe.__main__ import _rehearse

def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024

_rehearse()
before = peak()
try:
    probe(Path(sys.argv[1]))
finally:
    print(peak() - before)
"""


@pytest.mark.parametrize("what", GREEDY)
def test_what_is_accepted_takes_little_memory_without_a_limit_too(file: Callable[[bytes], Path], what: str) -> None:
    """A worker decodes in its own process what the probe has accepted."""
    path = file(GREEDY[what]())
    if isinstance(Prober(Settings()).probe(path, nothing), Rejection):
        return

    decoded = subprocess.run([sys.executable, "-c", TAKES, path], capture_output=True, check=False, env=environment())

    assert int(decoded.stdout) < 200 * MEBIBYTE


# The kernel counts towards a child's peak what its parent had when it was forked: this one is small.
MEASURED = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:])
_, _, usage = os.wait4(child.pid, 0)
print(usage.ru_maxrss * 1024, file=sys.stderr)
"""


def ended(path: Path) -> tuple[int, bytes]:
    """The most memory that a probe of the file had, in bytes, and its last word."""
    child = subprocess.run(
        [sys.executable, "-I", "-S", "-c", MEASURED, *COMMAND],
        input=Prober(Settings())._request(path),
        capture_output=True,
        env=environment(),
        cwd="/",
        check=True,
        timeout=120,
    )
    return int(child.stderr.split()[-1]), child.stdout


@pytest.mark.parametrize("codec", ["flac", pytest.param("libopus", marks=pytest.mark.slow)])
def test_the_decode_ends_with_the_sample_that_is_too_much(file: Callable[[bytes], Path], codec: str) -> None:
    container = {"flac": "flac", "libopus": "ogg"}[codec]
    settings = Settings().model_copy(update={"max_decoded_samples": 5 * 48_000, "probe_wall_seconds": 60})
    bomb = songs.encoded(codec, container, 60, rate=48_000, silent=True)

    verdict = Prober(settings).probe(file(bomb), nothing)

    assert isinstance(verdict, Rejection)
    assert verdict.code == "audio_too_large"


def test_a_song_that_takes_too_much_processor_time_is_rejected(file: Callable[[bytes], Path]) -> None:
    # No file is slow on every processor: the decoder is.
    settings = Settings().model_copy(update={"probe_cpu_seconds": 1})
    prober = Prober(settings, command=[sys.executable, "-I", "-c", SLOW_DECODER])

    verdict = prober.probe(file(songs.wav(2)), nothing)

    assert isinstance(verdict, Rejection)
    assert verdict.code == "audio_takes_too_long"


def test_it_tells_where_someone_sings(prober: Prober, file: Callable[[bytes], Path]) -> None:
    silent = bytes(20 * 44_100 * 4)
    song = songs.wav(70)
    facts = prober.probe(file(song[:44] + silent + song[44 + len(silent) :]), nothing)
    assert isinstance(facts, AudioFacts)
    assert facts.voice_start_seconds == 20


def test_what_beat_raises_ends_the_child(file: Callable[[bytes], Path]) -> None:
    class Stop(Exception):
        pass

    def stop() -> None:
        raise Stop

    command = [sys.executable, "-I", "-c", "import signal; signal.pause()"]
    with pytest.raises(Stop):
        Prober(Settings(), command=command).probe(file(b"x"), stop)

    assert not [child for child in psutil.Process().children() if "signal.pause()" in " ".join(child.cmdline())]


@pytest.mark.parametrize(
    "child",
    [
        "print('no JSON')",
        "print('[]')",
        "print('{}')",
        """print('{"outcome": "praised"}')""",
        """print('{"outcome": "facts"}')""",
        "print('x' * 99_999)",
        "import os, signal; os.close(1); signal.pause()",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    ],
)
def test_whatever_else_a_child_does_its_file_may_be_tried_again(
    file: Callable[[bytes], Path], child: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.upload.prober.END_SECONDS", 0.1)
    prober = Prober(Settings(), command=[sys.executable, "-I", "-S", "-c", child])
    with pytest.raises(ProbeFailed):
        prober.probe(file(b"x"), nothing)


def confined(
    script: str, tmp_path: Path, *, memory: int = 136 * MEBIBYTE, cpu_seconds: int = 5, before: str = ""
) -> str:
    """What the script prints inside a child that has given up its rights; `before` runs when it has all of them."""
    request = {
        "directory": str(tmp_path),
        "name": "audio",
        "max_duration_seconds": 10,
        "min_sample_rate_hz": 8000,
        "max_sample_rate_hz": 192_000,
        "max_channels": 8,
        "max_decoded_samples": 1_000_000,
        "memory_bytes": memory,
        "cpu_seconds": cpu_seconds,
        "wall_seconds": 200,
    }
    (tmp_path / "audio").write_bytes(b"x")
    child = subprocess.run(
        [sys.executable, "-I", "-c", before + CONFINED + script],
        input=json.dumps(request).encode() + b"\n",
        capture_output=True,
        env=environment(),
        cwd=tmp_path,
        check=False,
        timeout=240,
    )
    if child.returncode < 0:
        return signal.Signals(-child.returncode).name
    return child.stdout.decode().strip() or child.stderr.decode()[-300:]


def test_a_confined_child_can_open_nothing_not_even_in_place_of_what_it_closes(tmp_path: Path) -> None:
    script = """
for closed in (None, file.fileno(), 0):
    if closed is not None:
        os.close(closed)
    for attempt in (lambda: os.open("audio", os.O_RDONLY), lambda: socket.socket(), os.pipe, lambda: os.dup(1)):
        try:
            attempt()
        except OSError as error:
            print(error.errno)
sys.stdout.flush()
os._exit(0)
"""
    assert confined(script, tmp_path).replace("22", "24").split() == 12 * ["24"], "EMFILE; for a copy, EINVAL"


def test_a_confined_child_cannot_write_a_file(tmp_path: Path) -> None:
    script = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    out.write(b"x")
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


@pytest.mark.parametrize(("taken", "verdict"), [(70, "fine"), (110, "TooMuchMemory")])
def test_a_file_that_came_near_the_limit_of_memory_is_rejected(tmp_path: Path, taken: int, verdict: str) -> None:
    """Something may have been refused to it, and passed over, that a worker would grant."""
    script = f"""
bytearray({taken} << 20)
try:
    memory.check()
    print("fine")
except Exception as error:
    print(type(error).__name__)
"""
    assert confined(script, tmp_path) == verdict


# As a shell has set a limit for somebody who cannot raise it: of users who may, root among them, the child is none.
LIMITED = """
import resource
setrlimit = resource.setrlimit
def limited(limit, values):
    if -1 < resource.getrlimit(limit)[1] < values[1]:
        raise ValueError("not allowed to raise maximum limit")
    setrlimit(limit, values)
resource.setrlimit = limited
"""


def test_a_lower_limit_of_processor_time_is_kept(tmp_path: Path) -> None:
    before = f"{LIMITED}\nsetrlimit(resource.RLIMIT_CPU, (100, 100))"
    script = """
allowance.grow(10**9)
print(*resource.getrlimit(resource.RLIMIT_CPU))
"""
    assert confined(script, tmp_path, cpu_seconds=180, before=before) == "98 100", "the end is told before it comes"


@pytest.mark.parametrize(("left", "said"), [(100, "True TooMuchMemory"), (9999, "False fine")])
def test_a_lower_limit_of_memory_is_kept_and_no_files_fault(tmp_path: Path, left: int, said: str) -> None:
    """`left`, in MiB, when everything is loaded: 60 of them are taken."""
    before = f"""{LIMITED}
from services.upload.probe import __main__ as probe
rehearse = probe._rehearse
def limit_afterwards():
    rehearse()
    setrlimit(resource.RLIMIT_AS, 2 * (probe._address_space() + ({left} << 20),))
probe._rehearse = limit_afterwards
"""
    script = """
bytearray(60 << 20)
try:
    memory.check()
    print(memory.is_short, "fine")
except Exception as error:
    print(memory.is_short, type(error).__name__)
"""
    assert confined(script, tmp_path, before=before) == said


def test_a_song_is_accepted_under_a_shells_limit(file: Callable[[bytes], Path]) -> None:
    child = f"""{LIMITED}
setrlimit(resource.RLIMIT_CPU, (100, 100))
from services.upload.probe.__main__ import main
main()
"""
    prober = Prober(Settings(), command=[sys.executable, "-I", "-c", child])

    assert isinstance(prober.probe(file(songs.encoded("flac", "flac", 2)), nothing), AudioFacts)


def test_a_song_for_which_the_limit_is_too_low_is_not_refused(file: Callable[[bytes], Path]) -> None:
    child = f"""{LIMITED}
from services.upload.probe import __main__ as probe
rehearse = probe._rehearse
def limit_afterwards():
    rehearse()
    setrlimit(resource.RLIMIT_AS, 2 * (probe._address_space() + (1 << 20),))
probe._rehearse = limit_afterwards
probe.main()
"""
    prober = Prober(Settings(), command=[sys.executable, "-I", "-c", child])

    with pytest.raises(ProbeFailed, match="ulimit -v"):
        prober.probe(file(songs.encoded("flac", "flac", 2)), nothing)


def test_a_confined_child_that_only_computes_is_ended(tmp_path: Path) -> None:
    assert confined("while True: pass", tmp_path, cpu_seconds=1) == "SIGXCPU"


def test_processor_time_grows_with_what_was_decoded_up_to_its_limit(tmp_path: Path) -> None:
    script = """
for decoded in (0, 10**6, 10**8, 10**9, 0):
    allowance.grow(decoded)
    print(resource.getrlimit(resource.RLIMIT_CPU)[0] - int(time.process_time()))
"""
    first, little, much, most, last = (int(word) for word in confined(script, tmp_path, cpu_seconds=100).split())

    assert 5 <= first <= little <= 8, "without any sound a file costs seconds at most, whatever it claims"
    assert 55 <= much <= 58
    assert 100 <= most <= 102
    assert last == most


def test_the_child_inherits_no_setting(prober: Prober, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_SECRET_ACCESS_KEY", "secret")
    prober.warm()
    assert prober._spare is not None
    found = until(lambda: psutil.Process(prober._spare.pid).environ(), "the child runs")  # type: ignore[union-attr]

    assert found == environment()


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
