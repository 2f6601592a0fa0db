"""What others make of a file: PyAV alone, and the ``ffmpeg`` command where there is one."""

import shutil
import subprocess
from pathlib import Path

import av
import numpy as np

from tests.separation.signals import Samples


def samples_by_pyav(path: Path) -> int:
    """Per channel, by decoding the first audio stream with nothing around it."""
    with av.open(str(path)) as file:
        return sum(frame.samples for frame in file.decode(audio=0))


def by_ffmpeg(path: Path, channels: int) -> Samples | None:
    """All samples, ``(samples, channels)``, or ``None`` on a machine without the command."""
    command = shutil.which("ffmpeg")
    if command is None:
        return None
    answer = subprocess.run(
        [command, "-v", "error", "-i", str(path), "-map", "0:a:0", "-f", "f32le", "-c:a", "pcm_f32le", "-"],
        capture_output=True,
        check=True,
        timeout=240,
    )
    return np.frombuffer(answer.stdout, "<f4").reshape(-1, channels)
