"""A song that nobody sends: the platform is told its address."""

from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from services.local.client import ApiError
from services.local.platform import Platform
from tests.e2e.jobs import NewAccount, eventually, stems_of
from tests.e2e.songs import music, write_wav_16
from tests.services.upload.song_server import giving, song_server

pytestmark = pytest.mark.e2e


def test_a_song_by_address_is_fetched_and_separated(
    platform: Platform, new_account: NewAccount, tmp_path: Path
) -> None:
    account = new_account()
    song = write_wav_16(tmp_path / "song.wav", music(2)).read_bytes()
    with song_server() as server:

        def moved(handler: BaseHTTPRequestHandler) -> None:
            giving(b"", 302, Location="/files/Take%203.wav?key=secret")(handler)

        server.answers |= {"/latest": [moved], "/files/Take%203.wav": [giving(song)], "/gone": [giving(b"", 404)]}
        upload = account.call("POST", "/v1/uploads", json={"source_url": f"{server.url}/latest"})
        job = account.create_job(upload["id"])
        gone = account.call("POST", "/v1/uploads", json={"source_url": f"{server.url}/gone?key=secret"})
        ready = account.wait_for_upload(upload["id"])
        eventually(lambda: account.call("GET", f"/v1/uploads/{gone['id']}")["status"] == "rejected", "the refusal")

    assert (upload["status"], upload["parts"]) == ("pending", [])
    assert (ready["status"], ready["size_bytes"], ready["filename"]) == ("ready", len(song), "Take 3.wav")
    assert account.wait_for_job(job["id"])["status"] == "succeeded"
    assert set(stems_of(account, account.job(job["id"]), tmp_path)) == {"vocals", "instrumental"}
    refused = account.call("GET", f"/v1/uploads/{gone['id']}")
    assert (refused["code"], refused["source_url"]) == ("source_refused", f"{server.url}/gone")
    with pytest.raises(ApiError, match="source_url must"):
        account.call("POST", "/v1/uploads", json={"source_url": "http://169.254.169.254/latest/meta-data"})
