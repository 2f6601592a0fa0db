"""The probe: a process that decodes one untrusted file under limits and tells what is in it.

The parent is `services.upload.prober`; the two talk over pipes, one JSON line each way, in the shapes below.
"""

from dataclasses import dataclass
from typing import Literal, TypedDict

MAX_ANSWER_BYTES = 16 * 1024


@dataclass(frozen=True)
class ProbeRequest:
    """What to decode, and under which limits."""

    directory: str
    """Becomes the working directory; holds the file and nothing else."""
    name: str
    max_duration_seconds: float
    min_sample_rate_hz: int
    max_sample_rate_hz: int
    max_channels: int
    memory_bytes: int
    cpu_seconds: int
    wall_seconds: int


class ProbeFacts(TypedDict):
    """Answer about a file that can be decoded."""

    outcome: Literal["facts"]
    duration_seconds: float
    samples: int
    sample_rate_hz: int
    channels: int
    codec: str
    container: str
    complete: bool


class ProbeRefusal(TypedDict):
    """Answer about a file that is at fault itself."""

    outcome: Literal["refused"]
    code: str
    reason: str


class ProbeDefect(TypedDict):
    """Answer when the probe itself failed; `detail` is for the log."""

    outcome: Literal["defect"]
    detail: str


ProbeAnswer = ProbeFacts | ProbeRefusal | ProbeDefect
