"""What the tests say of jobs and accounts."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from services.local.client import Client, Document
from tests.e2e.songs import Samples, read

NewAccount = Callable[[], Client]


@dataclass(frozen=True)
class FinishedJob:
    """A job that succeeded, for tests that only look."""

    client: Client
    song: Path
    mixture: Samples
    upload: Document
    job: Document


def stems_of(client: Client, job: Document, folder: Path) -> dict[str, tuple[Samples, int]]:
    """Samples and rate of every stem, downloaded by presigned URL."""
    stems = {}
    for stem in job["stems"]:
        path = folder / f"{job['id']}-{stem['name']}.{stem['format']}"
        client.download(f"/v1/jobs/{job['id']}/stems/{stem['name']}", path)
        stems[stem["name"]] = read(path)
    return stems
