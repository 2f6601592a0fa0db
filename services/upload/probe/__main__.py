"""The child process of the probe: `python -I -m services.upload.probe`, a request on stdin, the answer on stdout.

It loads everything it needs before it knows the file, so that a spare child can wait ready, and rehearses: what a
library loads at first use could not be loaded later. Then it gives up what the
file must not reach: after `confine` the process can open one file descriptor and no more (neither another file nor a
socket), cannot grow a file, and is ended by the kernel when it uses too much memory, processor time or time.
"""

import ctypes
import json
import os
import resource
import signal
import struct
import sys
from importlib import import_module
from pathlib import Path

from separation.decode import AudioLimits, probe
from separation.errors import AudioError
from services.upload.probe import ProbeAnswer, ProbeRequest

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38


def main() -> None:
    """Answers one request; the end of stdin without a request is the parent's end."""
    parent = os.getppid()
    _die_with(parent)
    _rehearse()
    line = sys.stdin.buffer.readline()
    if not line:
        return
    request = ProbeRequest(**json.loads(line))
    os.chdir(request.directory)
    confine(request)
    answer = _answer(request)
    os.write(sys.stdout.fileno(), json.dumps(answer).encode())
    # Native libraries that met a hostile file get no chance to crash while they are taken down.
    os._exit(0)


def _die_with(parent: int) -> None:
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def _rehearse() -> None:
    """Decodes a short WAV file from memory, so that everything is loaded that decoding needs."""
    for kind in ("audio", "video", "subtitles"):
        import_module(f"av.{kind}.stream")
    samples = bytes(2 * 800)
    rate, frame_bytes, bits = 8_000, 2, 16
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * frame_bytes, frame_bytes, bits)
    body = head + struct.pack("<4sI", b"data", len(samples)) + samples
    file = os.memfd_create("rehearsal")
    os.write(file, struct.pack("<4sI4s", b"RIFF", 4 + len(body), b"WAVE") + body)
    probe(Path(f"/proc/self/fd/{file}"))
    os.close(file)


def confine(request: ProbeRequest) -> None:
    """Sets the limits; none can be raised again."""
    # The lowest free descriptor is the one the file will get.
    lowest_free = os.dup(0)
    os.close(lowest_free)
    for limit, most in (
        (resource.RLIMIT_NOFILE, lowest_free + 1),
        (resource.RLIMIT_AS, request.memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    # At the soft limit the kernel sends SIGXCPU, which tells the parent why; at the hard one SIGKILL.
    resource.setrlimit(resource.RLIMIT_CPU, (request.cpu_seconds, request.cpu_seconds + 2))
    # The parent ends a child that takes too long; this is for a child whose parent cannot.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(request.wall_seconds + 5)


def _answer(request: ProbeRequest) -> ProbeAnswer:
    limits = AudioLimits(
        max_duration_seconds=request.max_duration_seconds,
        min_sample_rate_hz=request.min_sample_rate_hz,
        max_sample_rate_hz=request.max_sample_rate_hz,
        max_channels=request.max_channels,
    )
    try:
        info = probe(Path(request.name), limits)
    except AudioError as error:
        return {"outcome": "refused", "code": error.code, "reason": str(error)}
    except MemoryError:
        return {
            "outcome": "refused",
            "code": "audio_needs_too_much_memory",
            "reason": "Decoding this file needs more memory than is allowed; it is probably damaged.",
        }
    except Exception as error:  # noqa: BLE001 - the parent logs it
        return {"outcome": "defect", "detail": f"{type(error).__name__}: {error}"[:500]}
    return {
        "outcome": "facts",
        "duration_seconds": info.duration_seconds,
        "samples": info.samples,
        "sample_rate_hz": info.sample_rate_hz,
        "channels": info.channels,
        "codec": info.codec[:80],
        "container": info.container[:80],
        "complete": info.complete,
    }


if __name__ == "__main__":
    main()
