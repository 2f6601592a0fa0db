"""Times and names as people read them."""


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
