"""The engine as an attempt sees it: an assignment and a source file in, a folder of results and their proof out."""

from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import Protocol, cast

from separation.errors import Cancelled, SeparationError
from separation.manifest import Manifest
from separation.models.separator import MaskModel
from separation.settings import OutputFormat, OutputFormatName, Window
from separation.stems.playback import Playback
from separation.stream.job import separate_file
from services.kit.protos import separation_pb2
from services.worker.errors import EngineFailed

CONTENT_TYPES = {
    ".flac": "audio/flac",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",  # RFC 7845, section 9: the same container as Vorbis
    ".json": "application/json",
}


class Engine(Protocol):
    """Separates the song in `source` into files in `results`, which the manifest names, and segments of `playback`.

    `source` may still be arriving: `open_source` opens it such that whoever reads waits.

    Raises EngineFailed, or the engine's Cancelled where `should_cancel` said so.
    """

    def __call__(
        self,
        assignment: separation_pb2.SeparationAssigned,
        source: Path,
        results: Path,
        model: MaskModel,
        *,
        open_source: Callable[[], BufferedReader],
        playback: Playback,
        progress: Callable[[float], None],
        should_cancel: Callable[[], bool],
    ) -> Manifest: ...


def separate_song(
    assignment: separation_pb2.SeparationAssigned,
    source: Path,
    results: Path,
    model: MaskModel,
    *,
    open_source: Callable[[], BufferedReader],
    playback: Playback,
    progress: Callable[[float], None],
    should_cancel: Callable[[], bool],
) -> Manifest:
    """`Engine` by `separation.separate_file`."""
    try:
        return separate_file(
            source,
            results,
            model=model,
            stems=tuple(assignment.stems),
            window=_window(assignment),
            output=_output(assignment.output),
            playback=playback,
            open_source=open_source,
            on_progress=lambda state: progress(state.fraction),
            should_cancel=should_cancel,
        )
    except Cancelled:
        raise
    except SeparationError as error:
        raise EngineFailed(error) from error


def _window(assignment: separation_pb2.SeparationAssigned) -> Window | None:
    if not assignment.HasField("window"):
        return None
    begin = assignment.window.start_seconds
    return Window(begin, begin + assignment.window.duration_seconds)


def _output(output: separation_pb2.OutputFormat) -> OutputFormat:
    """Raises OutputFormatUnsuitable for a format that does not exist. 0 stands for the format's default."""
    return OutputFormat(
        name=cast(OutputFormatName, output.format),
        bit_depth=output.bit_depth or None,
        bitrate_kbps=output.bitrate_kbps or None,
    )
