"""The probe: a process that decodes one untrusted file under limits and tells what is in it.

The parent is `services.upload.prober`; the two talk over pipes, one JSON line each way, in the shapes below.
"""

from dataclasses import dataclass
from typing import Literal, TypedDict

MAX_ANSWER_BYTES = 16 * 1024

# Processor time grows with what a file really holds, not with what its headers claim. One core decodes 20 to 50 million
# samples a second; a file without pictures is read at a gigabyte a second.
FIRST_CPU_SECONDS = 5.0
CPU_SECONDS_PER_MEBIBYTE = 0.02
CPU_SECONDS_PER_MILLION_SAMPLES = 0.5


def allowed_cpu_seconds(size_bytes: int, decoded_samples: int) -> float:
    """What a file of this size may cost by the time it has given so many samples, over all channels."""
    size_mebibytes, millions = size_bytes / 2**20, decoded_samples / 1e6
    return FIRST_CPU_SECONDS + CPU_SECONDS_PER_MEBIBYTE * size_mebibytes + CPU_SECONDS_PER_MILLION_SAMPLES * millions


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
    max_decoded_samples: int
    """Over all channels."""
    memory_bytes: int
    """Address space beyond what the process has before it sees the file."""
    cpu_seconds: int
    """Processor time for any file, see `allowed_cpu_seconds`."""
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
    voice_start_seconds: float | None


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
