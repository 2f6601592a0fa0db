"""The parent of the probe: starts the child, gives it one file, and makes sense of how it ends."""

import contextlib
import dataclasses
import json
import logging
import math
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.kit import children
from services.upload.probe import MAX_ANSWER_BYTES, ProbeRequest
from services.upload.settings import Settings

log = logging.getLogger(__name__)

COMMAND = children.command("services.upload.probe")

BEAT_SECONDS = 0.5
END_SECONDS = 5.0
"""How long a child may take to end once it has closed its side."""

_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, signal.SIGSYS, signal.SIGTRAP}
_LIMITS = {signal.SIGXCPU, signal.SIGALRM}


@dataclass(frozen=True)
class AudioFacts:
    """What a full decode found."""

    duration_seconds: float
    samples: int
    sample_rate_hz: int
    channels: int
    codec: str
    container: str
    complete: bool
    voice_start_seconds: float | None = None
    """Where the half minute begins in which someone most likely sings."""


@dataclass(frozen=True)
class Rejection:
    """Why a file cannot be separated: a stable code, and a sentence for the person who sent it."""

    code: str
    reason: str


TOO_SLOW = Rejection("audio_takes_too_long", "Decoding this file takes longer than is allowed; it is probably damaged.")
CRASHED = Rejection("audio_crashes_decoder", "The file is so damaged that the audio decoder broke down on it.")


class ProbeFailed(Exception):
    """The probe ended without a word about the file: killed from outside, or broken itself. May be tried again."""


class Prober:
    """Probes files, each in a child process of its own. Safe to share between threads.

    A child needs about a quarter of a second to start; `warm` keeps one ready for the next file.
    """

    def __init__(self, settings: Settings, *, command: Sequence[str] = COMMAND) -> None:
        self._settings = settings
        self._command = tuple(command)
        self._lock = threading.Lock()
        self._spare: subprocess.Popen[bytes] | None = None

    def probe(self, file: Path, beat: Callable[[], None]) -> AudioFacts | Rejection:
        """Decodes the file, alone in its directory, and tells what it is. Blocks, at most for the wall clock limit.

        `beat` is called about twice a second; what it raises ends the child and goes on to the caller.
        Raises ProbeFailed.
        """
        with self._child() as child:
            output = self._converse(child, self._request(file), beat)
            if output is None:
                return TOO_SLOW
            try:
                status = child.wait(timeout=END_SECONDS)
            except subprocess.TimeoutExpired:
                raise ProbeFailed("the probe has said all and does not end") from None
            return self._understand(output, status)

    def warm(self) -> None:
        """Starts a spare child unless one waits already."""
        with self._lock:
            if self._spare is not None and self._spare.poll() is not None:
                _end(self._spare)
                self._spare = None
            self._spare = self._spare or self._start()

    def close(self) -> None:
        """Ends the spare child."""
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is not None:
            _end(spare)

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=children.environment(),
            cwd="/",
            start_new_session=True,
        )

    @contextlib.contextmanager
    def _child(self) -> Iterator[subprocess.Popen[bytes]]:
        with self._lock:
            child, self._spare = self._spare, None
        if child is not None and child.poll() is not None:
            _end(child)
            child = None
        child = child or self._start()
        try:
            yield child
        finally:
            _end(child)

    def _request(self, file: Path) -> bytes:
        settings = self._settings
        request = ProbeRequest(
            directory=str(file.parent),
            name=file.name,
            max_duration_seconds=settings.max_duration_seconds,
            min_sample_rate_hz=settings.min_sample_rate_hz,
            max_sample_rate_hz=settings.max_sample_rate_hz,
            max_channels=settings.max_channels,
            max_decoded_samples=settings.max_decoded_samples,
            memory_bytes=settings.probe_memory_bytes,
            cpu_seconds=settings.probe_cpu_seconds,
            wall_seconds=math.ceil(settings.probe_wall_seconds),
        )
        return json.dumps(dataclasses.asdict(request)).encode() + b"\n"

    def _converse(self, child: subprocess.Popen[bytes], request: bytes, beat: Callable[[], None]) -> bytes | None:
        """Everything the child says until it closes its side; None when its time is over."""
        assert child.stdin is not None  # noqa: S101 - narrows the type; both are pipes
        assert child.stdout is not None  # noqa: S101
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(request)
            child.stdin.close()
        deadline = time.monotonic() + self._settings.probe_wall_seconds
        output = b""
        poller = select.poll()
        poller.register(child.stdout, select.POLLIN)
        while (remaining := deadline - time.monotonic()) > 0:
            if poller.poll(min(remaining, BEAT_SECONDS) * 1000):
                data = os.read(child.stdout.fileno(), MAX_ANSWER_BYTES)
                output += data
                if len(output) > MAX_ANSWER_BYTES:
                    raise ProbeFailed("the probe says more than an answer holds")
                if not data:
                    return output
            else:
                beat()
        return None

    def _understand(self, output: bytes, status: int) -> AudioFacts | Rejection:
        if status < 0:
            cause = signal.Signals(-status)
            log.warning("a probe was ended by %s", cause.name)
            if cause in _CRASHES:
                return CRASHED
            if cause in _LIMITS:
                return TOO_SLOW
            raise ProbeFailed(f"the probe was ended by {cause.name}")
        try:
            return _told(json.loads(output))
        except (ValueError, TypeError, KeyError):
            raise ProbeFailed(f"the probe ended with status {status} and no answer") from None


def _told(answer: Any) -> AudioFacts | Rejection:
    """What a `ProbeAnswer` says. Raises ProbeFailed for a defect, TypeError or KeyError for what is none."""
    match answer["outcome"]:
        case "refused":
            return Rejection(answer["code"], answer["reason"])
        case "defect":
            raise ProbeFailed(answer["detail"])
        case "facts":
            return AudioFacts(
                duration_seconds=answer["duration_seconds"],
                samples=answer["samples"],
                sample_rate_hz=answer["sample_rate_hz"],
                channels=answer["channels"],
                codec=answer["codec"],
                container=answer["container"],
                complete=answer["complete"],
                voice_start_seconds=answer["voice_start_seconds"],
            )
        case _:
            raise KeyError("outcome")


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ends the child for certain and reaps it."""
    if child.poll() is None:
        # The child leads a session of its own: whatever it might have started goes with it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
