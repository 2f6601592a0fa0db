"""Which window of a song its preview is."""

from services.orchestrator.jobs.errors import PreviewOutside
from services.orchestrator.settings import Settings
from services.orchestrator.uploads.models import KnownUpload

LEAST_PREVIEW_SECONDS = 0.1
PATCH_SECONDS = 450 * 1024 / 44_100
"""From one patch of the network to the next: a start moved by this is as near to the begin of its patch as before."""


def preview_window(
    settings: Settings, upload: KnownUpload, start: float | None, length: float | None
) -> tuple[float, float]:
    """Start and length of a preview in seconds; raises PreviewOutside where no audio would be left."""
    duration = upload.duration_seconds or 0.0
    if length is not None and length > settings.preview_seconds:
        raise PreviewOutside(f"a preview is at most {settings.preview_seconds:g} seconds long")
    length = length or settings.preview_seconds
    if start is None:
        start = _good_start(settings.preview_start_seconds, duration - length, upload.voice_start_seconds)
    if min(length, duration - start) < LEAST_PREVIEW_SECONDS:
        raise PreviewOutside(f"the preview starts at {start:g} s, but the song is {duration:.1f} s long")
    return start, min(length, duration - start)


def _good_start(usual: float, latest: float, voice: float | None) -> float:
    """Near to where someone most likely sings; where nobody knows, the usual start, or 0 in a song too short for it.

    Moved by whole patches from the usual start, so that one patch is all that the first sound waits for.
    """
    if voice is None:
        return usual if usual <= latest else 0.0
    moves = range(-int(usual // PATCH_SECONDS), int((latest - usual) // PATCH_SECONDS) + 1)
    starts = (0.0, *(round(usual + move * PATCH_SECONDS, 3) for move in moves))
    return min(starts, key=lambda start: abs(start - voice))
