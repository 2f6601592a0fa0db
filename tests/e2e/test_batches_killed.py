"""A batch goes through the death of every part that has a hand in it: one hold, each song paid once, one end told."""

from collections import Counter
from pathlib import Path

import pytest

from services.local.client import Client
from services.local.platform import Platform
from tests.e2e.jobs import eventually, settled
from tests.e2e.processes import kill, wait_until_ready
from tests.e2e.songs import music, write_wav_16
from tests.e2e.test_events import as_partner
from tests.services.upload.song_server import giving, song_server

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SECONDS = 15
SONGS = 6
BY_ADDRESS = 2
"""Of these so many are fetched."""


def test_a_batch_survives_the_death_of_every_part_that_has_a_hand_in_it(
    platform: Platform, account: Client, admin: Client, tmp_path: Path
) -> None:
    wait_until_ready(platform)
    songs = [write_wav_16(tmp_path / f"{number}.wav", music(SECONDS, seed=number)) for number in range(SONGS)]
    sent = [account.upload(song)["id"] for song in songs[BY_ADDRESS:]]
    key = as_partner(admin, account)
    with Client(platform.gateway_url, key) as program, song_server() as server:
        server.answers |= {f"/{song.name}": [giving(song.read_bytes())] * 3 for song in songs[:BY_ADDRESS]}
        items = [{"source_url": f"{server.url}/{song.name}"} for song in songs[:BY_ADDRESS]]
        items += [{"upload_id": upload_id} for upload_id in sent]
        batch = account.call("POST", "/v1/batches", json={"items": items}, headers={"Idempotency-Key": "album"})

        def counts() -> Counter[str]:
            return Counter(account.call("GET", f"/v1/batches/{batch['id']}")["counts"])

        # While songs are fetched and the hold is asked for.
        kill(platform, "upload")
        kill(platform, "accounts")
        eventually(lambda: counts()["running"] + counts()["succeeded"] >= 1, "the first song to run")
        kill(platform, "worker-1")
        eventually(lambda: counts()["succeeded"] >= 1, "the first song to be done")
        kill(platform, "orchestrator")
        wait_until_ready(platform)
        eventually(lambda: counts()["succeeded"] >= 3, "half of the songs to be done")
        kill(platform, "notifier")
        kill(platform, "accounts")
        wait_until_ready(platform)

        def ended() -> bool:
            return bool(account.call("GET", f"/v1/batches/{batch['id']}")["finished_at"])

        eventually(ended, "the end of the batch")
        settled(account)

        whole = account.call("GET", f"/v1/batches/{batch['id']}")
        assert (whole["status"], whole["counts"]["succeeded"]) == ("completed", SONGS), whole
        assert (whole["price_credits"], whole["charged_credits"]) == (SONGS * SECONDS, SONGS * SECONDS)
        assert [job["upload_id"] for job in whole["items"][BY_ADDRESS:]] == sent
        assert account.call("GET", "/v1/billing/balance")["available_credits"] == 600 - SONGS * SECONDS

        ledger = account.call("GET", "/v1/billing/ledger?limit=100")["items"]
        assert [line["reserved_change_credits"] for line in ledger if line["source_id"] == batch["id"]] == [
            SONGS * SECONDS
        ], "one hold"
        paid = Counter(line["source_id"] for line in ledger if line["kind"] == "capture")
        assert paid == dict.fromkeys((job["id"] for job in whole["items"]), 1)

        told: list[tuple[str, str]] = []

        def heard() -> bool:
            told[:] = [
                (event["type"], next(iter(event["data"].values()))["id"])
                for event in program.call("GET", "/v1/events?limit=100")["items"]
            ]
            return ("batch.completed", batch["id"]) in told

        eventually(heard, "the event of its end")
    ends = Counter(event for event in told if event[0] in ("job.succeeded", "batch.completed"))
    assert ends == Counter(
        [("batch.completed", batch["id"]), *(("job.succeeded", job["id"]) for job in whole["items"])]
    ), "each is told once"
    uploads = account.call("GET", "/v1/uploads?limit=100")["items"]
    assert len(uploads) == SONGS, "each song is fetched as one upload"
