"""Songs by address: what of an address is shown, and what the file at it is called. Pure."""

import re
from collections.abc import Mapping
from contextlib import suppress
from email.message import Message
from email.utils import collapse_rfc2231_value
from typing import Any
from urllib.parse import unquote, urlsplit

from services.upload.names import fitting

UNNAMED = "song"
MAX_DISPOSITION_CHARACTERS = 4_000
"""More than a name of 255 characters takes, written twice and each byte as `%C3`. What reads the header takes time by
the square of its length."""


def shown(url: str | None) -> str | None:
    """The address without its query, which may be a key to the file. Users and fragments are refused before."""
    return None if url is None else url.partition("?")[0]


def name_in(url: str) -> str | None:
    """What the file is called by the path of its address, if that says something."""
    return fitting(unquote(urlsplit(url).path))


def name_told(headers: Mapping[str, str]) -> str | None:
    """What the server calls the file (`Content-Disposition`, RFC 6266), if it says so."""
    told = headers.get("content-disposition", "")
    if len(told) > MAX_DISPOSITION_CHARACTERS:
        return None
    message = Message()
    message["Content-Disposition"] = re.sub(r"[\r\n]", " ", told)
    parameters: list[tuple[str, Any]] = message.get_params([], "content-disposition")
    encoded = [value for name, value in parameters if name == "filename" and isinstance(value, tuple)]
    # Where a name is told twice the encoded one is whole; the other is for programs that cannot read it.
    name = collapse_rfc2231_value(encoded[0]) if encoded else message.get_filename()
    if not name:
        return None
    # Headers are read as Latin-1; many servers send UTF-8 as it is.
    with suppress(UnicodeError):
        name = name.encode("latin-1").decode("utf-8")
    return fitting(name)
