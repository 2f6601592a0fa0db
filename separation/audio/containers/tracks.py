"""A track of a container that may have several: what FFmpeg is to see of the file so that it sees this one only."""

from dataclasses import dataclass
from fractions import Fraction

from separation.audio.containers.view import Piece


@dataclass(frozen=True)
class Edit:
    """A stretch of what a track presents: its media between two times, after so much silence; all in seconds.

    ``None`` is where the media itself begins or ends.
    """

    begin: Fraction | None = None
    end: Fraction | None = None
    silence: Fraction = Fraction(0)


@dataclass(frozen=True)
class Track:
    """FFmpeg sees ``shown`` of the file and is told ``options``.

    ``edits``: what of the decoded sound is presented, in order and without a way back; all of it where there are none.
    ``samples``: no more than so many of it are the song's; ``None``: all.
    """

    shown: tuple[Piece, ...]
    edits: tuple[Edit, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    encrypted: bool = False
    samples: int | None = None
