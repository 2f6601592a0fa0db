"""Files that are not songs: each gets a verdict that a person understands, and nothing breaks."""

import struct
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import numpy as np
import pytest

from services.kit.s3 import S3Storage
from services.upload.prober import AudioFacts, Prober, Rejection
from services.upload.settings import Settings
from tests.databases import on_sqlite
from tests.services.upload import songs
from tests.services.upload.conftest import Client, Service, sha256, until

pytestmark = [pytest.mark.s3, pytest.mark.slow]


@pytest.fixture(scope="module")
def changes() -> dict[str, Any]:
    return {"max_duration_seconds": 20.0}


BAD: dict[str, tuple[bytes, str]] = {
    "text": (songs.TEXT, "audio_unsupported_format"),
    "html": (b"<!doctype html><html><body>no</body></html>", "audio_unsupported_format"),
    "hls playlist": (songs.HLS, "audio_unsupported_format"),
    "ffconcat": (songs.FFCONCAT, "audio_unsupported_format"),
    "sdp": (b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nm=audio 5004 RTP/AVP 0\r\n", "audio_unsupported_format"),
    "dash": (b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"/>', "audio_unsupported_format"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "audio_unsupported_format"),
    "zip": (b"PK\x03\x04" + bytes(100), "audio_unsupported_format"),
    "zeros": (bytes(100_000), "audio_unsupported_format"),
    "flac magic only": (b"fLaC" + bytes(100), "audio_undecodable"),
    "wav header only": (songs.wav()[:44], "audio_no_samples"),
    "wav head cut off": (songs.wav()[:20], "audio_undecodable"),
    "one byte": (b"R", "audio_unsupported_format"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_file_that_is_no_song_is_rejected(shared: Service, what: str) -> None:
    data, code = BAD[what]
    events, before = shared.events, shared.stored()
    upload = shared.client.upload(data, filename="song.mp3")

    assert (upload["status"], upload["code"]) == ("rejected", code), upload["reason"]
    assert upload["reason"].endswith(".")
    assert len(upload["reason"]) > 15
    assert upload["audio"] is None
    assert events.types(upload["id"]) == ["UploadCreated", "UploadRejected"]
    rejected = events.all(upload["id"])[1].data
    assert (rejected.code, rejected.reason, rejected.account_id) == (code, upload["reason"], shared.client.account)
    assert not {key for key in shared.stored() - before if key.startswith("sources/")}


@pytest.mark.parametrize("make", ["wav", "mp3", "ogg"])
def test_a_song_that_ends_early_is_ready_and_incomplete(shared: Service, make: str) -> None:
    codec = {"mp3": "libmp3lame", "ogg": "flac"}
    data = songs.wav(4) if make == "wav" else songs.encoded(codec[make], make, 4)
    whole = shared.client.upload(data, filename=f"whole.{make}")["audio"]
    half = shared.client.upload(data[: len(data) * 3 // 5], filename=f"half.{make}")

    assert (half["status"], half["audio"]["complete"], whole["complete"]) == ("ready", False, True)
    assert 0 < half["audio"]["duration_seconds"] < whole["duration_seconds"] - 1
    assert shared.events.all(half["id"])[-1].data.audio.complete is False


def test_a_film_without_sound_is_rejected(shared: Service) -> None:
    upload = shared.client.upload(songs.video_only(), filename="film.mp4")

    assert (upload["status"], upload["code"]) == ("rejected", "audio_no_audio_stream")


@pytest.mark.parametrize("make", ["long", "bomb"])
def test_what_lasts_longer_than_the_limit_is_rejected(shared: Service, make: str) -> None:
    data = songs.wav(25, rate=8_000, channels=1) if make == "long" else songs.encoded("flac", "flac", 60, silent=True)
    upload = shared.client.upload(data)

    assert (upload["status"], upload["code"]) == ("rejected", "audio_too_long")


@pytest.mark.parametrize(("rate", "channels"), [(4_000, 1), (384_000, 1), (0, 1), (44_100, 0), (0xFFFFFFFF, 2)])
def test_impossible_headers_are_rejected(shared: Service, rate: int, channels: int) -> None:
    data = bytearray(songs.wav(0.1))
    struct.pack_into("<HI", data, 22, channels, rate)
    upload = shared.client.upload(bytes(data))

    assert upload["status"] == "rejected"
    assert upload["reason"]


@on_sqlite
def test_another_digest_than_announced_is_rejected(client: Client, storage: S3Storage) -> None:
    upload = client.upload(songs.wav(), sha256=sha256(b"something else"))

    assert (upload["status"], upload["code"]) == ("rejected", "sha256_mismatch")
    # The verdict is told first.
    until(lambda: not list(storage.list_objects("")), "the file to be removed")


@on_sqlite
@pytest.mark.parametrize("announced", [-1000, 1000])
def test_another_size_than_announced_is_rejected(client: Client, storage: S3Storage, announced: int) -> None:
    song = songs.wav()
    created = client.create(len(song) + announced)
    url = created["parts"][0]["url"]
    # A store that heeds the signed length takes nothing else; not every store does.
    assert httpx2.put(url, content=song, timeout=180).status_code == 403
    place = urlsplit(url)
    key = place.path.removeprefix(f"/{storage.bucket}/")
    etag = storage.upload_part(key, parse_qs(place.query)["uploadId"][0], 1, song)
    answer = client.complete(created["id"], [{"number": 1, "etag": etag}])

    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["code"]) == ("rejected", "size_mismatch")
    assert f"{len(song):,}" in answer.json()["reason"]
    client.decided(created["id"])
    assert list(storage.list_objects("sources/")) == []


@pytest.mark.parametrize("container", ["wav", "flac", "mp3", "ogg"])
def test_a_truncated_song_is_ready_with_what_there_is(shared: Service, container: str) -> None:
    whole = {
        "wav": lambda: songs.wav(10),
        "flac": lambda: songs.encoded("flac", "flac", 10),
        "mp3": lambda: songs.encoded("libmp3lame", "mp3", 10),
        "ogg": lambda: songs.encoded("libopus", "ogg", 10, rate=48_000),
    }[container]()
    upload = shared.client.upload(whole[: len(whole) * 6 // 10])

    assert upload["status"] == "ready", upload["reason"]
    assert 4 < upload["audio"]["duration_seconds"] < 8


def test_a_song_that_breaks_off_says_so(shared: Service) -> None:
    whole = songs.encoded("flac", "flac", 10)

    assert shared.client.upload(whole)["audio"]["complete"] is True
    assert shared.client.upload(whole[: len(whole) // 2])["audio"]["complete"] is False


def test_a_file_cut_off_before_any_sound_is_rejected(shared: Service) -> None:
    whole = songs.encoded("aac", "ipod", 10)
    upload = shared.client.upload(whole[: len(whole) // 2])

    assert (upload["status"], upload["code"]) == ("rejected", "audio_undecodable")


def test_a_header_that_claims_too_much_is_not_believed(shared: Service) -> None:
    upload = shared.client.upload(songs.endless_header(1))

    assert upload["status"] == "ready"
    assert upload["audio"]["duration_seconds"] == pytest.approx(1.0)


def test_damage_anywhere_gives_a_verdict(tmp_path: Path) -> None:
    """The probe's, of which the service makes what it makes of all of them."""
    noise, prober, song = np.random.default_rng(7), Prober(Settings()), tmp_path / "song"
    whole = songs.encoded("libmp3lame", "mp3", 3)
    for _ in range(15):
        damaged = bytearray(whole)
        for position in noise.integers(0, len(whole), 50):
            damaged[position] ^= 1 << int(noise.integers(0, 8))
        song.write_bytes(damaged)
        assert isinstance(prober.probe(song, lambda: None), (AudioFacts, Rejection))


MAGIC = [b"RIFF\xff\xff\xff\xffWAVEfmt ", b"fLaC", b"OggS", b"\x1aE\xdf\xa3", b"ID3\x04", b"\xff\xfb\x90\x00"]


@pytest.mark.parametrize("magic", MAGIC)
def test_random_bytes_behind_a_magic_number_give_a_verdict(shared: Service, magic: bytes) -> None:
    noise = np.random.default_rng(11).bytes(50_000)

    assert shared.client.upload(magic + noise)["status"] in ("ready", "rejected")


def test_a_playlist_reads_no_sibling(shared: Service, tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(songs.wav())
    for text in (
        f"#EXTM3U\n#EXTINF:1,\n{tmp_path}/secret.wav\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile '{tmp_path}/secret.wav'\n",
    ):
        # Renamed, and behind a tag that hides the first bytes.
        for prefix in (b"", b"ID3\x04\x00\x00\x00\x00\x00\x00"):
            upload = shared.client.upload(prefix + text.encode(), filename="song.mp3")
            assert upload["status"] == "rejected"
