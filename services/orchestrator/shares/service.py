"""Links by which others may listen to a job: made and ended by its owner, followed by whoever has one.

A link's token is all that is asked of a listener, and only its digest is kept (decision 190). Whatever it leads to is
what the owner hears; that a link has ended, and how, looks to others as if it had never been.
"""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from services.kit.database import Database
from services.kit.ids import new_id
from services.kit.storage import Content
from services.orchestrator.jobs import repository as job_rows
from services.orchestrator.jobs.errors import JobNotFinished, JobNotFound
from services.orchestrator.jobs.states import Status
from services.orchestrator.results.errors import ResultGone
from services.orchestrator.results.playback import Listening
from services.orchestrator.results.schemas import PlaybackAnswer
from services.orchestrator.results.service import Results
from services.orchestrator.shares import repository
from services.orchestrator.shares.errors import ShareNotFound, TooManyShares
from services.orchestrator.shares.models import Share
from services.orchestrator.shares.schemas import MadeShare, NewShare, ShareAnswer, SharedSong

TOKEN_BYTES = 16
"""128 bits: nobody finds a link by trying."""
MOST_OF_A_JOB = 20


@dataclass(frozen=True)
class _Shared:
    account_id: str
    job_id: str
    title: str | None


class Shares:
    """The use cases of links."""

    def __init__(self, database: Database, listening: Listening, results: Results) -> None:
        self._database = database
        self._listening = listening
        self._results = results

    def create(self, account_id: str, job_id: str, request: NewShare) -> MadeShare:
        """A link to a job of the account. Raises JobNotFound, JobNotFinished or TooManyShares."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        with self._database.write() as session:
            job = job_rows.locked_owned_job(session, account_id, job_id)
            if job is None:
                raise JobNotFound
            if job.state is not Status.SUCCEEDED:
                raise JobNotFinished(f"the job is {job.status}: there is nothing to share")
            now = session.now()
            if len(repository.shares(session, job_id, now)) >= MOST_OF_A_JOB:
                raise TooManyShares(f"A job has at most {MOST_OF_A_JOB} links: end one first.")
            share = Share(
                id=new_id("shr"),
                job_id=job_id,
                token_digest=_digest(token),
                title=request.title,
                created_at=now,
                expires_at=now + timedelta(seconds=request.expires_in_seconds),
            )
            session.add(share)
            return MadeShare(token=token, **_answer(share).model_dump())

    def list_of_job(self, account_id: str, job_id: str) -> list[ShareAnswer]:
        """The job's links that work, newest first. Raises JobNotFound."""
        with self._database.read() as session:
            if job_rows.owned_job(session, account_id, job_id) is None:
                raise JobNotFound
            return [_answer(share) for share in repository.shares(session, job_id, session.now())]

    def list_of_account(
        self, account_id: str, *, limit: int, before: str | None
    ) -> tuple[list[ShareAnswer], str | None]:
        """One page of all links of the account, and the id after which the next begins."""
        with self._database.read() as session:
            made = repository.owned_shares(session, account_id, limit=limit + 1, before=before)
            page = [_answer(share) for share in made[:limit]]
        return page, page[-1].id if len(made) > limit else None

    def end(self, account_id: str, share_id: str) -> None:
        """Ends a link of the account, at once. Raises ShareNotFound."""
        with self._database.write() as session:
            if not repository.delete_share(session, account_id, share_id):
                raise ShareNotFound

    def song(self, token: str) -> SharedSong:
        """What a listener is told. Raises ShareNotFound, as the following do."""
        return SharedSong(title=self._followed(token).title)

    def playback(self, token: str) -> PlaybackAnswer:
        """As `Listening.playback`."""
        shared = self._followed(token)
        with _gone_alike():
            return self._listening.playback(shared.account_id, shared.job_id)

    def segment(self, token: str, track: str, number: int) -> Content:
        """As `Listening.segment`."""
        shared = self._followed(token)
        with _gone_alike():
            return self._listening.segment(shared.account_id, shared.job_id, track, number)

    def waveforms(self, token: str) -> dict[str, Any]:
        """As `Results.waveforms`."""
        shared = self._followed(token)
        with _gone_alike():
            return self._results.waveforms(shared.account_id, shared.job_id)

    def _followed(self, token: str) -> _Shared:
        with self._database.read() as session:
            found = repository.shared_job(session, _digest(token), session.now())
            if found is None or found[1].result_prefix is None:
                raise ShareNotFound
            share, job = found
            return _Shared(job.account_id, job.id, share.title)


def _digest(token: str) -> str:
    """Hex SHA-256; fast is right for what cannot be guessed."""
    return hashlib.sha256(token.encode()).hexdigest()


@contextmanager
def _gone_alike() -> Iterator[None]:
    """Whatever goes between the look at the link and the look at the job ends the link."""
    try:
        yield
    except (JobNotFound, JobNotFinished, ResultGone) as error:
        raise ShareNotFound from error


def _answer(share: Share) -> ShareAnswer:
    return ShareAnswer(
        id=share.id,
        job_id=share.job_id,
        title=share.title,
        created_at=share.created_at,
        expires_at=share.expires_at,
    )
