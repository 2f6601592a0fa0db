"""The child process of the probe: `python -P -m services.upload.probe`, a request on stdin, the answer on stdout.

It loads everything it needs before it knows the file, so that a spare child can wait ready, and rehearses: what a
library loads at first use could not be loaded later. Then it gives up what the file must not reach: after `confine` the
process can open nothing more (no other file, no socket, no process of its own), cannot grow a file, and is ended by the
kernel when it uses too much memory, time, or more processor time than what it has decoded so far is worth.
"""

import ctypes
import json
import math
import os
import resource
import signal
import struct
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

import numpy as np

from separation.audio.decode import LARGEST_ALLOCATION_BYTES, AudioLimits, probe, read_audio
from separation.errors import AudioError
from services.upload.probe import ProbeAnswer, ProbeRequest, allowed_cpu_seconds
from services.upload.probe.voice import FRAME_SAMPLES, VoiceSearch

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38


class TooManySamples(AudioError):
    """More samples over all channels than are accepted."""

    code = "audio_too_large"


class TooMuchMemory(AudioError):
    """Decoding came so near to the limit of memory that something it asked for may have been refused."""

    code = "audio_needs_too_much_memory"

    def __init__(self) -> None:
        super().__init__("Decoding this file needs more memory than is allowed; it is probably damaged.")


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
    with Path(request.name).open("rb") as file:
        memory = Memory(request.memory_bytes)
        allowance = confine(request, os.fstat(file.fileno()).st_size)
        answer = _answer(request, file, memory, allowance)
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
    VoiceSearch(rate).add(np.zeros((FRAME_SAMPLES, 2), np.float32))


class Allowance:
    """Processor time that grows with what was decoded; the kernel ends the process where it is used up."""

    def __init__(self, size_bytes: int, most_seconds: int) -> None:
        self._size_bytes = size_bytes
        self._begun = time.process_time()
        # Two seconds lie between the warning and the end.
        hard = at_most(resource.RLIMIT_CPU, math.ceil(self._begun) + most_seconds + 2)
        self._hard, self._most = hard, max(hard - 2, 1)
        self._granted = 0
        self.grow(0)

    def grow(self, decoded_samples: int) -> None:
        """Grants what so many samples over all channels are worth."""
        allowed = min(self._most, math.ceil(self._begun + allowed_cpu_seconds(self._size_bytes, decoded_samples)))
        if allowed > self._granted:
            # At the soft limit the kernel sends SIGXCPU, which tells the parent why; at the hard one SIGKILL.
            resource.setrlimit(resource.RLIMIT_CPU, (allowed, self._hard))
            self._granted = allowed


class Memory:
    """The memory that decoding takes, as address space.

    FFmpeg leaves out what it finds no memory for, and goes on: a file would be accepted that takes all of it where
    there is no limit. What is asked for at once is limited alike everywhere, so below the limit by that much nothing
    was refused here that is not refused everywhere.
    """

    def __init__(self, most_bytes: int) -> None:
        self._status = Path("/proc/self/status").open("rb", buffering=0)  # noqa: SIM115 - for the life of the process
        space = _address_space()
        room_bytes = at_most(resource.RLIMIT_AS, space + most_bytes) - space
        self.is_short = room_bytes < most_bytes
        """Whoever started us allows less (`ulimit -v`) than a file may take: it is not the file's fault."""
        self._enough = self._peak() + max(0, room_bytes - LARGEST_ALLOCATION_BYTES)

    def check(self) -> None:
        """Raises TooMuchMemory where something may have been refused."""
        if self._peak() > self._enough:
            raise TooMuchMemory

    def _peak(self) -> int:
        """The most bytes of address space that this process ever had."""
        self._status.seek(0)
        line = next(line for line in self._status.read().splitlines() if line.startswith(b"VmPeak:"))
        return int(line.split()[1]) * 1024


def confine(request: ProbeRequest, size_bytes: int) -> Allowance:
    """Sets the limits; none can be raised again but the processor time, up to the request's."""
    for limit, wanted in (
        (resource.RLIMIT_AS, _address_space() + request.memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        # What is open stays open. No number is left for anything else, not even where one of those is closed.
        (resource.RLIMIT_NOFILE, 0),
    ):
        most = at_most(limit, wanted)
        resource.setrlimit(limit, (most, most))
    # The parent ends a child that takes too long; this is for a child whose parent cannot.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(request.wall_seconds + 5)
    return Allowance(size_bytes, request.cpu_seconds)


def at_most(limit: int, wanted: int) -> int:
    """What is wanted of a limit, or what is left of it: a shell may have set less, which nobody but root can raise."""
    hard = resource.getrlimit(limit)[1]
    return wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)


def _address_space() -> int:
    """Bytes that are mapped now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _answer(request: ProbeRequest, file: BinaryIO, memory: Memory, allowance: Allowance) -> ProbeAnswer:
    limits = AudioLimits(
        max_duration_seconds=request.max_duration_seconds,
        min_sample_rate_hz=request.min_sample_rate_hz,
        max_sample_rate_hz=request.max_sample_rate_hz,
        max_channels=request.max_channels,
    )
    try:
        with read_audio(file, limits) as audio:
            voice = VoiceSearch(audio.sample_rate_hz)
            for block in audio.blocks():
                voice.add(block)
                decoded = audio.samples * audio.channels
                if decoded > request.max_decoded_samples:
                    raise TooManySamples("The file holds more audio than is accepted.")
                allowance.grow(decoded)
            info = audio.info()
        memory.check()
    except (MemoryError, TooMuchMemory):
        if memory.is_short:
            return {"outcome": "defect", "detail": "the service's limit of address space (ulimit -v) is too low"}
        return {"outcome": "refused", "code": TooMuchMemory.code, "reason": str(TooMuchMemory())}
    except AudioError as error:
        return {"outcome": "refused", "code": error.code, "reason": str(error)}
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
        "voice_start_seconds": voice.start_seconds(),
    }


if __name__ == "__main__":
    main()
