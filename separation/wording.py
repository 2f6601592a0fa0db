"""Times, names and proofs as people read them."""

from separation.manifest import QualityRecord


def clock(seconds: float, digits: int = 0) -> str:
    """``3:20``, ``1:02:03``; with ``digits`` after the point, ``0:09.5``."""
    minutes, rest = divmod(round(seconds, digits), 60)
    hours, minutes = divmod(int(minutes), 60)
    rest_width = 3 + digits if digits else 2
    head = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{head}:{rest:0{rest_width}.{digits}f}"


def duration(seconds: float) -> str:
    """``9.5 s``, from a minute on ``3:20``."""
    tenths = round(seconds, 1)
    return f"{tenths:.1f} s" if tenths < 60 else clock(seconds)


def printable(name: str) -> str:
    """A file's name without what would move the cursor or break the line."""
    return "".join(character if character.isprintable() else "\ufffd" for character in name)


def null_test(quality: QualityRecord) -> str:
    """``stems minus song -101.3 dBFS``, or exactly zero; and where that was measured if not in the files."""
    residual = quality.null_residual_dbfs
    size = "exactly zero" if residual is None else f"{residual:.1f} dBFS"
    return f"stems minus song {size}{' before encoding' if quality.null_measured == 'before_encoding' else ''}"
