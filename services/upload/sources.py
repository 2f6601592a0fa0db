"""Songs by address: what of an address is shown, and what the file at it is called. Pure."""

import re
from collections.abc import Mapping
from contextlib import suppress
from email.message import Message
from urllib.parse import unquote, urlsplit

from services.upload.names import fitting

UNNAMED = "song"


def shown(url: str | None) -> str | None:
    """The address without its query, which may be a key to the file. Users and fragments are refused before."""
    return None if url is None else url.partition("?")[0]


def name_in(url: str) -> str | None:
    """What the file is called by the path of its address, if that says something."""
    return fitting(unquote(urlsplit(url).path))


def name_told(headers: Mapping[str, str]) -> str | None:
    """What the server calls the file (`Content-Disposition`, RFC 6266), if it says so."""
    message = Message()
    message["Content-Disposition"] = re.sub(r"[\r\n]", " ", headers.get("content-disposition", ""))
    name = message.get_filename()
    if not name:
        return None
    # Headers are read as Latin-1; many servers send UTF-8 as it is.
    with suppress(UnicodeError):
        name = name.encode("latin-1").decode("utf-8")
    return fitting(name)
