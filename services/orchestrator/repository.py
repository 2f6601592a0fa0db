"""All SQL of the orchestrator. Whatever a client may ask for is looked up together with the account it belongs to."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, Select, delete, func, or_, select, update

from services.kit.database import ReadSession, WriteSession
from services.orchestrator.models import (
    Deletion,
    Feedback,
    Job,
    JobEvent,
    KnownBalance,
    KnownUpload,
    PreviewCredit,
    Share,
    Worker,
)
from services.orchestrator.placement import Candidate
from services.orchestrator.states import FINAL, Status

MAX_EVENTS = 100
AT_ONCE = 100
"""Jobs of one upload that are seen to when the word of it comes. The others are when they would ask again, or start."""
OPEN = tuple(sorted(set(Status) - FINAL))


def owned_job(session: ReadSession, account_id: str, job_id: str) -> Job | None:
    """The account's job, unless it was deleted."""
    return session.scalar(_visible(account_id).where(Job.id == job_id))


def owned_jobs(
    session: ReadSession,
    account_id: str,
    *,
    limit: int,
    before: str | None,
    status: str | None,
    search: str | None = None,
) -> Sequence[Job]:
    """The account's jobs, newest first; `search` is part of the name of the song's file."""
    query = _visible(account_id).order_by(Job.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Job.id < before)
    if status is not None:
        query = query.where(Job.status == status)
    if search is not None:
        named = KnownUpload.filename.icontains(search, autoescape=True)
        query = query.join(KnownUpload, KnownUpload.id == Job.upload_id).where(named)
    return session.scalars(query).all()


def names_of(session: ReadSession, account_id: str, upload_ids: Collection[str]) -> dict[str, str]:
    """What the songs of these uploads of the account are called; without those that were deleted."""
    named = (KnownUpload.id.in_(upload_ids), KnownUpload.account_id == account_id, KnownUpload.status != "deleted")
    found = session.execute(select(KnownUpload.id, KnownUpload.filename).where(*named))
    return {row.id: row.filename for row in found if row.filename}


def waiting_in_turn(session: ReadSession, account_id: str, limit: int) -> Sequence[Job]:
    """The account's jobs that wait for a worker, the next one first."""
    return session.scalars(_queued(account_id).order_by(Job.queued_at, Job.id).limit(limit)).all()


def locked_waiting(session: WriteSession, account_id: str) -> Sequence[Job]:
    """The same, all of them, locked in the order in which everybody locks several jobs."""
    return session.scalars(_queued(account_id).order_by(Job.id).with_for_update()).all()


def _queued(account_id: str) -> Select[Job]:
    return _visible(account_id).where(Job.status == Status.QUEUED)


def _visible(account_id: str) -> Select[Job]:
    return select(Job).where(Job.account_id == account_id, Job.deleted_at.is_(None))


def locked_owned_job(session: WriteSession, account_id: str, job_id: str) -> Job | None:
    """The account's job, unless it was deleted, held against other writers until the transaction ends."""
    return session.scalar(_visible(account_id).where(Job.id == job_id).with_for_update())


def locked_job(session: WriteSession, job_id: str) -> Job | None:
    """The job, held against other writers until the transaction ends."""
    return session.scalar(select(Job).where(Job.id == job_id).with_for_update())


def open_jobs(session: ReadSession, account_id: str, limit: int) -> int:
    """How many jobs of the account have not ended, counted no further than the limit."""
    return _count(session, select(Job.id).where(Job.account_id == account_id, Job.status.in_(OPEN)), limit)


def waiting_jobs(session: ReadSession, account_id: str, limit: int) -> int:
    """How many jobs of the account wait for an upload, counted no further than the limit."""
    waiting = (Job.account_id == account_id, Job.status == Status.RESERVING, Job.price_credits.is_(None))
    return _count(session, select(Job.id).where(*waiting), limit)


def _count(session: ReadSession, query: Select[str], limit: int) -> int:
    return session.scalar(select(func.count()).select_from(query.limit(limit).subquery())) or 0


def holder_of(session: ReadSession, job_id: str) -> str | None:
    """Id of the worker that holds the job's present attempt, as it stands without a lock."""
    return session.scalar(select(Job.worker_id).where(Job.id == job_id))


def locked_jobs_of_upload(session: WriteSession, upload_id: str) -> Sequence[Job]:
    """Jobs that wait for this upload, the oldest; no more than one transaction should see to."""
    waiting = select(Job).where(Job.upload_id == upload_id, Job.status == Status.RESERVING, Job.price_credits.is_(None))
    return session.scalars(waiting.order_by(Job.id).limit(AT_ONCE).with_for_update()).all()


def locked_unstarted_jobs_of_upload(session: WriteSession, upload_id: str) -> Sequence[Job]:
    """Jobs that would still have to read this upload, the oldest; no more than one transaction should see to."""
    unstarted = select(Job).where(Job.upload_id == upload_id, Job.status.in_([Status.RESERVING, Status.QUEUED]))
    return session.scalars(unstarted.order_by(Job.id).limit(AT_ONCE).with_for_update()).all()


def owned_upload(session: ReadSession, account_id: str, upload_id: str) -> KnownUpload | None:
    """The account's upload as far as it is known here, unless it was deleted."""
    query = select(KnownUpload).where(
        KnownUpload.id == upload_id, KnownUpload.account_id == account_id, KnownUpload.status != "deleted"
    )
    return session.scalar(query)


def upload(session: ReadSession, upload_id: str) -> KnownUpload | None:
    """The upload, whoever owns it."""
    return session.get(KnownUpload, upload_id)


def balance(session: ReadSession, account_id: str) -> KnownBalance | None:
    """The last known balance."""
    return session.get(KnownBalance, account_id)


def events_after(session: ReadSession, job_id: str, event_id: str | None) -> Sequence[JobEvent]:
    """The job's public events, oldest first; those after `event_id` if that is given. The newest hundred at most."""
    query = select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.seq.desc()).limit(MAX_EVENTS)
    if event_id is not None:
        seen = select(JobEvent.seq).where(JobEvent.job_id == job_id, JobEvent.id == event_id).scalar_subquery()
        query = query.where(JobEvent.seq > func.coalesce(seen, 0))
    return session.scalars(query).all()[::-1]


def last_event(session: ReadSession, job_id: str) -> JobEvent | None:
    """The newest public event of the job."""
    return session.scalar(select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.seq.desc()).limit(1))


def feedback(session: ReadSession, job_id: str) -> Feedback | None:
    """Feedback on the job."""
    return session.get(Feedback, job_id)


def owned_feedback(session: ReadSession, account_id: str, *, limit: int, before: str | None) -> Sequence[Feedback]:
    """The account's feedback, that on the newest jobs first."""
    given = select(Feedback).join(Job, Job.id == Feedback.job_id)
    query = given.where(Job.account_id == account_id, Job.deleted_at.is_(None)).order_by(Job.id.desc()).limit(limit)
    return session.scalars(query if before is None else query.where(Job.id < before)).all()


def shares(session: ReadSession, job_id: str, now: datetime) -> Sequence[Share]:
    """The job's links that work, newest first."""
    working = select(Share).where(Share.job_id == job_id, Share.expires_at > now)
    return session.scalars(working.order_by(Share.id.desc())).all()


def owned_shares(session: ReadSession, account_id: str, *, limit: int, before: str | None) -> Sequence[Share]:
    """The account's links, newest first."""
    made = select(Share).join(Job, Job.id == Share.job_id).where(Job.account_id == account_id, Job.deleted_at.is_(None))
    query = made.order_by(Share.id.desc()).limit(limit)
    return session.scalars(query if before is None else query.where(Share.id < before)).all()


def shared_job(session: ReadSession, token_digest: str, now: datetime) -> tuple[Share, Job] | None:
    """The link with this token and its job, whoever owns it; None where it does not work any more."""
    works = (Share.token_digest == token_digest, Share.expires_at > now, Job.deleted_at.is_(None))
    found = session.execute(select(Share, Job).join(Job, Job.id == Share.job_id).where(*works)).one_or_none()
    return None if found is None else (found.Share, found.Job)


def delete_share(session: WriteSession, account_id: str, share_id: str) -> bool:
    """Ends the account's link; False where there is none."""
    owned = select(Job.id).where(Job.account_id == account_id)
    deleted = session.execute(delete(Share).where(Share.id == share_id, Share.job_id.in_(owned)))
    return bool(cast("CursorResult[Any]", deleted).rowcount)


def delete_shares(session: WriteSession, job_id: str) -> int:
    """Ends every link to the job; how many there were."""
    deleted = session.execute(delete(Share).where(Share.job_id == job_id))
    return cast("CursorResult[Any]", deleted).rowcount


def forget_shares(session: WriteSession, now: datetime) -> None:
    """Drops links that have expired."""
    session.execute(delete(Share).where(Share.expires_at <= now))


def candidates(session: ReadSession, now: datetime, *, lapsed: bool) -> list[Candidate]:
    """Heads of the queues: for each account and need, the job that has waited longest and may start now.

    The oldest comes first, and of one age the oldest account's: left to itself a database answers in the order of its
    plan, which changes with its statistics.

    `lapsed` says whether jobs whose last worker may still be running them are among those.
    """
    queue = (Job.account_id, Job.mode, Job.tier, Job.model_name, Job.model_digest)
    queued_at = func.min(Job.queued_at)
    heads = select(*queue, queued_at.label("queued_at")).where(*_may_start(now, lapsed)).group_by(*queue)
    return [
        Candidate(
            account_id=row.account_id,
            mode=row.mode,
            tier=row.tier,
            model_name=row.model_name,
            model_digest=row.model_digest,
            queued_at=row.queued_at,
            waited_seconds=(now - row.queued_at).total_seconds(),
        )
        for row in session.execute(heads.order_by(queued_at, *queue))
    ]


def locked_head(session: WriteSession, candidate: Candidate, now: datetime, *, lapsed: bool) -> Job | None:
    """The job at the head of that queue, locked; None where another replica was faster."""
    query = select(Job).where(
        *_may_start(now, lapsed),
        Job.account_id == candidate.account_id,
        Job.mode == candidate.mode,
        Job.tier == candidate.tier,
        Job.model_name == candidate.model_name,
        Job.model_digest.is_not_distinct_from(candidate.model_digest),
        Job.queued_at == candidate.queued_at,
    )
    return session.scalar(query.order_by(Job.id).limit(1).with_for_update(skip_locked=True))


def _may_start(now: datetime, lapsed: bool) -> tuple[ColumnElement[bool], ...]:
    ready = (Job.status == Status.QUEUED, or_(Job.not_before.is_(None), Job.not_before <= now))
    return ready if lapsed else (*ready, Job.worker_id.is_(None))


def change_model(session: WriteSession, names: Collection[str], to: str) -> int:
    """Gives queued jobs that have not begun and did not ask for their model, one of these, another one; how many."""
    waiting = (Job.status == Status.QUEUED, Job.model_digest.is_(None), Job.model_ordered.is_(False))
    changed = session.execute(update(Job).where(*waiting, Job.model_name.in_(names)).values(model_name=to))
    return cast("CursorResult[Any]", changed).rowcount


def anything_open(session: ReadSession) -> bool:
    """Whether any job has not ended, or has ended and is not settled: whether there is anything to sweep."""
    unfinished = select(Job.id).where(Job.status.in_(OPEN)).limit(1)
    asking = select(Job.id).where(Job.ask_at.is_not(None)).limit(1)
    return session.scalar(unfinished) is not None or session.scalar(asking) is not None


def anything_queued(session: ReadSession) -> bool:
    """Whether any job waits for a worker."""
    return session.scalar(select(Job.id).where(Job.status == Status.QUEUED).limit(1)) is not None


def worker(session: ReadSession, worker_id: str | None) -> Worker | None:
    """The worker, if it was heard of lately."""
    return session.get(Worker, worker_id) if worker_id else None


def locked_worker(session: WriteSession, worker_id: str) -> Worker | None:
    """The same, held against other writers until the transaction ends."""
    return session.get(Worker, worker_id, with_for_update=True)


def live_workers(session: ReadSession, now: datetime, since: datetime) -> Sequence[Worker]:
    """Workers heard of since then that take work."""
    return session.scalars(_live_workers(now, since)).all()


def models_of_workers(session: ReadSession) -> set[str]:
    """Names of the models that workers have served lately, those among them that are away for a moment too."""
    return {name for models in session.scalars(select(Worker.models)) for name in models}


def locked_live_workers(session: WriteSession, now: datetime, since: datetime) -> Sequence[Worker]:
    """The same, held against other placements until the transaction ends."""
    return session.scalars(_live_workers(now, since).with_for_update()).all()


def _live_workers(now: datetime, since: datetime) -> Select[Worker]:
    passed_over = or_(Worker.passed_over_until.is_(None), Worker.passed_over_until <= now)
    live = select(Worker).where(
        Worker.last_seen_at >= since, Worker.stopping.is_(False), Worker.drained_at.is_(None), passed_over
    )
    return live.order_by(Worker.id)


def leased_jobs(session: ReadSession) -> Sequence[Job]:
    """Jobs that a worker holds a lease on."""
    return session.scalars(select(Job).where(Job.status == Status.RUNNING)).all()


def leased_to(session: WriteSession, worker_id: str) -> Sequence[Job]:
    """Jobs that this worker holds, or held until the lease lapsed unheard; locked."""
    query = select(Job).where(Job.worker_id == worker_id, Job.status.in_([Status.RUNNING, Status.QUEUED]))
    # In the order in which everybody locks several jobs: taken the other way round, each would wait for the other.
    return session.scalars(query.order_by(Job.id).with_for_update()).all()


def lapsed_ids(session: ReadSession, now: datetime) -> Sequence[str]:
    """Running jobs whose lease has run out."""
    return session.scalars(select(Job.id).where(Job.status == Status.RUNNING, Job.lease_until < now)).all()


def overdue_ids(session: ReadSession, started_before: datetime) -> Sequence[str]:
    """Running jobs whose attempt began too long ago."""
    return session.scalars(select(Job.id).where(Job.status == Status.RUNNING, Job.assigned_at < started_before)).all()


def stranded_ids(session: ReadSession, created_before: datetime) -> Sequence[str]:
    """Jobs that never got to run and have waited too long."""
    query = select(Job.id).where(Job.status.in_([Status.RESERVING, Status.QUEUED]), Job.created_at < created_before)
    return session.scalars(query).all()


def to_ask_ids(session: ReadSession, now: datetime) -> Sequence[str]:
    """Jobs whose question to a sibling has been open for too long."""
    return session.scalars(select(Job.id).where(Job.ask_at <= now).order_by(Job.ask_at).limit(200)).all()


def forgotten_jobs(session: WriteSession) -> Sequence[Job]:
    """Deleted jobs that nobody needs any more."""
    query = select(Job).where(Job.deleted_at.is_not(None), Job.settled.is_(True), Job.status.in_(sorted(FINAL)))
    return session.scalars(query.limit(200)).all()


def expired_jobs(session: WriteSession, now: datetime) -> Sequence[Job]:
    """Jobs whose stems were kept long enough and are still stored."""
    query = select(Job).where(Job.expires_at <= now, Job.result_prefix.is_not(None)).order_by(Job.expires_at)
    return session.scalars(query.limit(200)).all()


def due_deletions(session: ReadSession, now: datetime) -> Sequence[Deletion]:
    """Prefixes whose objects are to be removed now."""
    return session.scalars(select(Deletion).where(Deletion.due_at <= now).order_by(Deletion.due_at).limit(100)).all()


def finish_deletion(session: WriteSession, deletion_id: int) -> None:
    """The objects are gone."""
    session.execute(delete(Deletion).where(Deletion.id == deletion_id))


def put_off_deletion(session: WriteSession, deletion_id: int, until: datetime) -> None:
    """The objects are still there; to be tried again."""
    session.execute(update(Deletion).where(Deletion.id == deletion_id).values(due_at=until))


def forget_workers(session: WriteSession, before: datetime) -> None:
    """Drops workers that have been silent for so long that they will not be heard of again."""
    session.execute(delete(Worker).where(Worker.last_seen_at < before))


def forget_unknown_uploads(session: WriteSession, before: datetime) -> None:
    """Drops the notes that an upload does not exist."""
    session.execute(delete(KnownUpload).where(KnownUpload.account_id == "", KnownUpload.updated_at < before))


def erase_deleted_uploads(session: WriteSession) -> None:
    """Drops what is known of the contents of deleted uploads, once no job that has read one can still end."""
    reading = select(Job.id).where(Job.upload_id == KnownUpload.id, Job.status.in_(OPEN))
    erased = dict.fromkeys(("sha256", "size_bytes", "filename", "duration_seconds", "sample_rate_hz", "channels"))
    session.execute(
        update(KnownUpload)
        .where(KnownUpload.status == "deleted", KnownUpload.sha256.is_not(None), ~reading.exists())
        .values(**erased)
        .execution_options(synchronize_session=False)
    )


def locked_jobs_to_empty(session: WriteSession, account_id: str) -> Sequence[Job]:
    """Jobs of the account that have not ended or still hold something of it, locked; no more than one transaction
    should see to."""
    full = or_(Job.status.in_(OPEN), Job.deleted_at.is_(None), Job.job_metadata.is_not(None), Job.result.is_not(None))
    query = select(Job).where(Job.account_id == account_id, full).order_by(Job.id).limit(AT_ONCE)
    return session.scalars(query.with_for_update()).all()


def delete_feedback(session: WriteSession, job_id: str) -> int:
    """Deletes feedback on the job; how much there was."""
    deleted = session.execute(delete(Feedback).where(Feedback.job_id == job_id))
    return cast("CursorResult[Any]", deleted).rowcount


def empty_events(session: WriteSession, job_id: str) -> None:
    """Deletes the job's public events but the last, which may be told again: without what the client noted on it."""
    session.flush()
    last = last_event(session, job_id)
    if last is not None:
        session.execute(delete(JobEvent).where(JobEvent.job_id == job_id, JobEvent.seq != last.seq))
        last.data = {"job": {**last.data["job"], "metadata": None}}


def job_ids(session: ReadSession, account_id: str, *, after: str) -> Sequence[str]:
    """Ids of the account's jobs, deleted ones too, from the one behind `after` on; some of them."""
    query = select(Job.id).where(Job.account_id == account_id, Job.id > after).order_by(Job.id)
    return session.scalars(query.limit(AT_ONCE)).all()


def delete_settled(session: WriteSession, job_ids: Sequence[str]) -> None:
    """Deletes those among these jobs that have ended and whose holds have."""
    ended = (Job.settled.is_(True), Job.status.in_(sorted(FINAL)), Job.deleted_at.is_not(None))
    session.execute(delete(Job).where(Job.id.in_(job_ids), *ended))


def has_jobs(session: ReadSession, account_id: str) -> bool:
    """Whether there is any job of the account, deleted ones too."""
    return session.scalar(select(Job.id).where(Job.account_id == account_id).limit(1)) is not None


def forget_account(session: WriteSession, account_id: str) -> None:
    """Deletes what siblings told of the account, its uploads and its credits, and what its previews were worth."""
    session.execute(delete(PreviewCredit).where(PreviewCredit.account_id == account_id))
    session.execute(delete(KnownUpload).where(KnownUpload.account_id == account_id))
    session.execute(delete(KnownBalance).where(KnownBalance.account_id == account_id))


def waiting_audio_seconds(session: ReadSession) -> dict[str, float]:
    """Seconds of audio in the queue, by tier: the numbers by which workers are scaled."""
    length = func.coalesce(Job.preview_duration_seconds, KnownUpload.duration_seconds, 0.0)
    query = (
        select(Job.tier, func.sum(length).label("seconds"))
        .join(KnownUpload, KnownUpload.id == Job.upload_id)
        .where(Job.status == Status.QUEUED)
        .group_by(Job.tier)
    )
    return {row.tier: float(row.seconds) for row in session.execute(query)}


def jobs_by_status(session: ReadSession) -> dict[str, int]:
    """How many jobs stand where, final ones left out."""
    query = select(Job.status, func.count().label("number")).where(Job.status.in_(OPEN)).group_by(Job.status)
    return {row.status: row.number for row in session.execute(query)}


def oldest_waits(session: ReadSession, now: datetime) -> dict[str, timedelta]:
    """How long the job at the head of the queue has waited, by tier."""
    query = select(Job.tier, func.min(Job.queued_at).label("since")).where(Job.status == Status.QUEUED)
    return {row.tier: now - row.since for row in session.execute(query.group_by(Job.tier))}
