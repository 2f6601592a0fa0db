"""Batches, as in the public contract."""

from collections.abc import Callable, Sequence
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request
from fastapi.responses import JSONResponse

from services.kit.auth import Principal
from services.kit.dependencies import IdempotencyKey
from services.kit.errors import answers
from services.kit.idempotency import IdempotencyConflict, IdempotencyInProgress
from services.kit.paging import BatchCursor, JobCursor, Limit
from services.kit.schemas import EXAMPLE_IDS, BatchId, Page, examples
from services.orchestrator.batches.errors import BatchAlreadyFinal, BatchNotFound, SourceNotAllowed, TooManyOpenBatches
from services.orchestrator.batches.quoting import BatchQuotes
from services.orchestrator.batches.schemas import BatchAnswer, BatchItem, BatchQuote, BatchWithSongs, NewBatch
from services.orchestrator.batches.service import Batches
from services.orchestrator.batches.songs import check_sources
from services.orchestrator.credits.errors import InsufficientCredits, PreviewAllowanceExhausted
from services.orchestrator.jobs.errors import (
    CallbacksForPartners,
    CallbackUrlRefused,
    JobRejected,
    OutputUnsuitable,
    PreviewOutside,
    UnknownModel,
)
from services.orchestrator.jobs.routes import CallbackCheck, Caller
from services.orchestrator.settings import Settings
from services.orchestrator.uploads.errors import TooManyUnknownUploads, UploadNotFound, UploadNotReady, UploadRejected


async def _batches(request: Request) -> Batches:
    batches: Batches = request.app.state.batches
    return batches


async def _quotes(request: Request) -> BatchQuotes:
    quotes: BatchQuotes = request.app.state.batch_quotes
    return quotes


BatchQuotesDep = Annotated[BatchQuotes, Depends(_quotes)]
BatchesDep = Annotated[Batches, Depends(_batches)]


async def _source_check(request: Request) -> Callable[[Principal, Sequence[BatchItem]], None]:
    settings: Settings = request.app.state.settings
    return lambda caller, items: check_sources(caller, items, settings)


SourceCheck = Annotated[Callable[[Principal, Sequence[BatchItem]], None], Depends(_source_check)]

router = APIRouter(prefix="/v1", tags=["Jobs"])

_UPLOAD = EXAMPLE_IDS["upl"]
_SONG = {"items": [{"upload_id": _UPLOAD}], "mode": "full"}
_FETCHED = {"items": [{"source_url": "https://music.example.com/song.wav"}], "mode": "full"}
_AS_MP3_WITH_NOTES = {
    "items": [{"upload_id": _UPLOAD, "metadata": {"track": "1"}}, {"upload_id": _UPLOAD, "stems": ["vocals"]}],
    "tier": "relaxed",
    "output": {"format": "mp3"},
}
_BATCH = examples(_SONG, fetched=_FETCHED, as_MP3_with_notes=_AS_MP3_WITH_NOTES)
# What is yet to be fetched has no price.
_PRICED = examples(_SONG, as_MP3_with_notes=_AS_MP3_WITH_NOTES)
_MADE = {
    202: {"model": BatchAnswer, "description": "A song is still coming, or the credits are still being reserved."},
    **answers(
        InsufficientCredits,
        PreviewAllowanceExhausted,
        CallbacksForPartners,
        UploadNotFound,
        IdempotencyInProgress,
        IdempotencyConflict,
        UploadRejected,
        UnknownModel,
        PreviewOutside,
        OutputUnsuitable,
        CallbackUrlRefused,
        SourceNotAllowed,
        JobRejected,
        TooManyOpenBatches,
        TooManyUnknownUploads,
    ),
}


@router.post("/batches", summary="Order many separations", status_code=201, response_model=BatchAnswer, responses=_MADE)
def create_batch(
    body: Annotated[NewBatch, Body(openapi_examples=_BATCH)],
    caller: Caller,
    batches: BatchesDep,
    check: CallbackCheck,
    check_songs: SourceCheck,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Asks for up to 1,000 separations at once: for all of them or, where one cannot be made, for none, and `item` says
    which (the first is 0). 201: what they cost together is held. 202: one of them is still coming, or the credits are
    still being reserved. Each song is a job; one that does not succeed gives its share of the credits back at once.

    What `source_url` names is fetched and becomes an upload, whose id is the job's `upload_id`; where it cannot be
    fetched or kept, that one job is rejected.
    """
    check(caller, body.callback_url)
    check_songs(caller, body.items)
    return batches.create(caller.account_id, body, idempotency_key)


@router.post(
    "/batches/quote",
    summary="Ask for the price of a batch",
    responses=answers(
        CallbacksForPartners,
        UploadNotFound,
        TooManyUnknownUploads,
        UploadNotReady,
        UploadRejected,
        UnknownModel,
        CallbackUrlRefused,
        SourceNotAllowed,
    ),
)
def create_batch_quote(
    body: Annotated[NewBatch, Body(openapi_examples=_PRICED)],
    caller: Caller,
    quotes: BatchQuotesDep,
    check: CallbackCheck,
    check_songs: SourceCheck,
) -> BatchQuote:
    """What a batch costs; one that is made from the same request costs exactly that. Every song has to be there: 409
    `upload_not_ready` also of one that is yet to be fetched. 503: no word of one has come yet; ask again."""
    check(caller, body.callback_url)
    check_songs(caller, body.items)
    return quotes.quote(caller.account_id, body)


@router.get("/batches", summary="List batches")
def list_batches(
    caller: Caller, batches: BatchesDep, limit: Limit = 20, cursor: BatchCursor = None
) -> Page[BatchAnswer]:
    """The account's batches, newest first."""
    items, following = batches.page(caller.account_id, limit=limit, before=cursor)
    return Page(items=items, next_cursor=following)


@router.get("/batches/{batch_id}", summary="Get a batch", responses=answers(BatchNotFound))
def get_batch(
    batch_id: BatchId, caller: Caller, batches: BatchesDep, limit: Limit = 20, cursor: JobCursor = None
) -> BatchWithSongs:
    """A batch, how many of its songs stand where, and a page of them in the order in which they were named."""
    return batches.get(caller.account_id, batch_id, after=cursor, limit=limit)


@router.post(
    "/batches/{batch_id}/cancel", summary="Cancel a batch", responses=answers(BatchNotFound, BatchAlreadyFinal)
)
def cancel_batch(batch_id: BatchId, caller: Caller, batches: BatchesDep) -> BatchAnswer:
    """Cancels every song that has not ended. What has succeeded stays, and is paid for."""
    return batches.cancel(caller.account_id, batch_id)
