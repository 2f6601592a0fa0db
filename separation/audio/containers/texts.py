"""What tags of any kind are read into."""

import codecs

from separation.audio.containers.pictures import Picture

# Python finds them in files of its own, which a process that may open none could not read later.
for _encoding in ("cp1252", "utf-16-le", "utf-16-be", "ascii"):
    codecs.lookup(_encoding)


class Texts:
    """Texts by what they are (``title``, ``artist`` ...), in the order in which they were found; and the pictures."""

    # More values of one kind, or longer ones, would not be carried over anyway.
    _MOST_VALUES = 64
    _LONGEST = 4096

    def __init__(self) -> None:
        self._values: dict[str, list[str]] = {}
        self.pictures: list[Picture] = []

    def add(self, key: str, value: str) -> None:
        """One more value; one that is there already, or empty, is left out."""
        value = value[: self._LONGEST].strip(" \0")
        values = self._values.setdefault(key, [])
        if value and value not in values and len(values) < self._MOST_VALUES:
            values.append(value)

    def replace(self, key: str, value: str) -> None:
        """That value in place of all there are."""
        self._values[key] = [value]

    def joined(self) -> dict[str, str]:
        """One text of each kind."""
        return {key: "; ".join(values) for key, values in self._values.items() if values}


def by_name(**names: str) -> dict[str, str]:
    """The key of each name, where a key stands before all names that mean it."""
    return {name: key for key, together in names.items() for name in together.split()}


def either_encoding(raw: bytes) -> str:
    """UTF-8, or what is not that as ISO 8859-1: letters of tags that do not say what they are in."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return western(raw)


def western(raw: bytes) -> str:
    """ISO 8859-1, with the letters that Windows has where that has none."""
    return raw.decode("cp1252", "ignore")
