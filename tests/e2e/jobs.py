"""What the tests say of jobs and accounts."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from services.local.client import ApiError, Client, Document, pause_after
from tests.e2e.songs import Samples, read

NewAccount = Callable[[], Client]

PATIENCE_SECONDS = 240.0
"""How long a test waits for what must come to hold; busy machines take their time."""


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Waits until something holds."""
    begun = time.monotonic()
    while not holds():
        waited = time.monotonic() - begun
        assert waited < PATIENCE_SECONDS, f"waited in vain for {what}"
        time.sleep(pause_after(waited))


def is_out(client: Client) -> bool:
    """Whether the platform takes its token or key for nobody's (any more)."""
    try:
        client.call("GET", "/v1/jobs")
    except ApiError as error:
        return error.status == 401
    return False


def balance(available: int) -> Document:
    """What `GET /v1/billing/balance` answers while nothing is held or owed."""
    return {"available_credits": available, "reserved_credits": 0, "debt_credits": 0, "expiring": []}


def settled(account: Client) -> None:
    """Waits until nothing is held for any job any more: charging follows the end of a job by a moment."""
    eventually(lambda: account.call("GET", "/v1/billing/balance")["reserved_credits"] == 0, "the credits to be settled")


@dataclass(frozen=True)
class FinishedJob:
    """A job that succeeded, for tests that only look."""

    client: Client
    song: Path
    mixture: Samples
    upload: Document
    job: Document


def quote_of(account: Client, upload: Document) -> Document:
    """The price in full; the part that knows prices may hear of a finished upload a moment after we do."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return account.call("POST", "/v1/quotes", json={"upload_id": upload["id"], "mode": "full"})
        except ApiError as error:
            if error.code != "upload_not_ready" or time.monotonic() > until:
                raise
        time.sleep(0.05)


def stems_of(client: Client, job: Document, folder: Path) -> dict[str, tuple[Samples, int]]:
    """Samples and rate of every stem, downloaded by presigned URL."""
    stems = {}
    for stem in job["stems"]:
        path = folder / f"{job['id']}-{stem['name']}.{stem['format']}"
        client.download(f"/v1/jobs/{job['id']}/stems/{stem['name']}", path)
        stems[stem["name"]] = read(path)
    return stems
