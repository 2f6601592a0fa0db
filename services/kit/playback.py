"""Where the segments lie that a job is listened to by, and how long they are: the worker and the orchestrator agree."""

SEGMENT_SECONDS = 6
"""Short enough that listening begins soon, long enough that a song is not thousands of files."""


def segment_key(attempt_prefix: str, track: str, number: int) -> str:
    """Key of a segment; `attempt_prefix` is that of the attempt's stems, with its slash."""
    return f"{attempt_prefix}playback/{track}/{number}.flac"
