"""What a file by address is called."""

from email.message import Message
from urllib.parse import quote

import pytest
from pydantic import TypeAdapter

from services.upload.schemas import Filename
from services.upload.sources import name_in, name_told, shown

IN_ADDRESSES = {
    "https://a.example.com/music/My%20song.flac?key=1": "My song.flac",
    "https://a.example.com": None,
    "https://a.example.com/music/": None,
    "https://a.example.com/..": None,
    "https://a.example.com/%2e%2e%2fetc%2fpasswd": "passwd",
    "https://a.example.com/a%0d%0ab%00.wav": "ab.wav",
    "https://a.example.com/a%e2%80%aevaw.exe": "avaw.exe",
    "https://a.example.com/%ff%fe.wav": "\ufffd\ufffd.wav",
    "https://a.example.com/%D8%A2%D9%87%D9%86%DA%AF.mp3": "آهنگ.mp3",
    f"https://a.example.com/{'a' * 400}.flac": "a" * 250 + ".flac",
}


@pytest.mark.parametrize("url", list(IN_ADDRESSES))
def test_an_address_gives_a_name_that_the_api_would_take(url: str) -> None:
    name = name_in(url)

    assert name == IN_ADDRESSES[url]
    assert name is None or TypeAdapter(Filename).validate_python(name) == name


TOLD = {
    'attachment; filename="Take 3.wav"': "Take 3.wav",
    "attachment; filename=song.mp3": "song.mp3",
    "attachment; filename*=UTF-8''%e2%82%ac%20rates.flac": "€ rates.flac",
    'attachment; filename="../../etc/passwd"': "passwd",
    'attachment; filename="C:\\\\music\\\\a.wav"': "a.wav",
    'attachment; filename="آهنگ.mp3"'.encode().decode("latin-1"): "آهنگ.mp3",
    'attachment; filename="a\r\nSet-Cookie: b"': "a  Set-Cookie: b",
    "inline": None,
    "": None,
    "attachment; filename=": None,
    "attachment; filename*=no-such-charset''%ff.wav": "ÿ.wav",
    ";;;=;": None,
}


@pytest.mark.parametrize("header", list(TOLD))
def test_what_a_server_calls_the_file_is_taken_with_care(header: str) -> None:
    assert name_told({"content-disposition": header}) == TOLD[header]


@pytest.mark.parametrize("length", [4_001, 95_000])
def test_no_server_makes_us_read_a_long_header(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library takes time by the square of its length: 95,000 semicolons took seven seconds."""
    read: list[str] = []
    monkeypatch.setattr(Message, "get_filename", lambda _message: read.append("it"))
    header = 'attachment; filename="'
    assert name_told({"content-disposition": header + ";" * (length - len(header))}) is None
    assert read == []
    name_told({"content-disposition": header + ";" * (4_000 - len(header))})
    assert read == ["it"]


def test_the_longest_name_is_read_however_it_is_written() -> None:
    name = "ü" * 120 + ".wav"
    encoded = quote(name)
    header = f"attachment; filename=\"{'_' * 250}.wav\"; filename*=UTF-8''{encoded}"
    assert name_told({"content-disposition": header}) == name


def test_a_query_is_not_shown() -> None:
    assert shown("https://a.example.com/b?X-Amz-Signature=c?d") == "https://a.example.com/b"
    assert shown(None) is None
