"""What a song says about itself, cleaned, and what its stems say in turn.

A few texts are carried over, and the cover (``containers.pictures``), whose bytes no decoder of pictures ever sees.
ReplayGain is not: it was measured on another sound.
"""

import re
import unicodedata
from collections.abc import Mapping

_MOST_CHARACTERS = 250
# By FFmpeg's names, which it translates to those of each container.
_CARRIED = ("title", "artist", "album", "album_artist", "composer", "date", "genre", "track", "disc")
# What turns the direction of the text around it, and what FFmpeg puts where bytes were not UTF-8.
_UNWANTED = re.compile("[\u202a-\u202e\u2066-\u2069\ufffd]")


def song_tags(*sources: Mapping[str, str]) -> dict[str, str]:
    """The tags that are carried over, out of those of the container and of its stream; the first that has one counts.

    Each is one line of at most 250 characters, without control characters; what is empty then is left out.
    """
    found: dict[str, str] = {}
    for source in sources:
        for key, value in source.items():
            text = _clean(value)
            if key.lower() in _CARRIED and text:
                found.setdefault(key.lower(), text)
    return {key: found[key] for key in _CARRIED if key in found}


def stem_tags(song: Mapping[str, str], stem: str) -> dict[str, str]:
    """The tags of one stem of the song: its own, with the stem's name in the title."""
    title = f"{song['title']} ({stem})" if "title" in song else stem
    return {**song, "title": title}


def _clean(text: str) -> str:
    # The cut at first bounds the work, whatever is in the file.
    plain = _UNWANTED.sub("", text[: 4 * _MOST_CHARACTERS])
    spaced = "".join(" " if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") else sign for sign in plain)
    return " ".join(spaced.split())[:_MOST_CHARACTERS].rstrip()
