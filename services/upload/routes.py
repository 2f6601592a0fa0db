"""The uploads API."""

import asyncio
import time
from typing import Annotated

from anyio import CancelScope
from fastapi import APIRouter, Body, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from services.kit.auth import Principal
from services.kit.dependencies import IdempotencyKey, require_scope
from services.kit.errors import answers
from services.kit.idempotency import IdempotencyConflict, IdempotencyInProgress
from services.kit.paging import Limit, UploadCursor
from services.kit.schemas import Page, UploadId, examples
from services.upload.errors import (
    ContentLengthMismatch,
    PartMismatch,
    SourceNotAllowed,
    StorageQuotaExceeded,
    TooManyPending,
    TooManyTransfers,
    TransferBroken,
    TransferStalled,
    UploadDeleted,
    UploadIncomplete,
    UploadIsFetched,
    UploadNotFound,
    UploadNotPending,
    UploadReplaced,
    UploadTooLarge,
)
from services.upload.schemas import Completion, NewFile, UploadView
from services.upload.service import Uploads
from services.upload.transfers import Transfers

router = APIRouter(prefix="/v1/uploads", tags=["Uploads"])

_ONE = answers(UploadNotFound)
# One second of 16-bit stereo as WAV.
_NEW = examples(
    {"filename": "song.wav", "size_bytes": 176_444, "content_type": "audio/wav"},
    fetched={"source_url": "https://music.example.com/song.wav"},
)
_COMPLETION = examples({})


async def _uploads(request: Request) -> Uploads:
    # What computes nothing is no work for another thread.
    service: Uploads = request.app.state.uploads
    return service


async def _transfers(request: Request) -> Transfers:
    service: Transfers = request.app.state.transfers
    return service


UploadsService = Annotated[Uploads, Depends(_uploads)]
TransfersService = Annotated[Transfers, Depends(_transfers)]
Caller = Annotated[Principal, Depends(require_scope("uploads"))]


@router.post(
    "",
    summary="Begin an upload",
    status_code=201,
    response_model=UploadView,
    responses=answers(
        StorageQuotaExceeded,
        IdempotencyInProgress,
        UploadDeleted,
        UploadTooLarge,
        SourceNotAllowed,
        IdempotencyConflict,
        TooManyPending,
    ),
)
def create_upload(
    new: Annotated[NewFile, Body(openapi_examples=_NEW)],
    uploads: UploadsService,
    caller: Caller,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Makes a place for a file; PUT its parts to the presigned URLs, then complete it.

    With `source_url` the file is fetched: nothing is to be sent, the upload is `pending` until the file is here, and
    then checked like any other. Where it cannot be fetched it is `rejected`, with a `code` that begins with `source_`.

    What an account keeps is limited: 409 `storage_quota_exceeded` says by how much, and deleting uploads makes room.
    410 `upload_deleted` answers an `Idempotency-Key` whose upload was deleted meanwhile.
    """
    return uploads.create(caller.account_id, new, idempotency_key)


@router.get("", summary="List uploads")
def list_uploads(
    uploads: UploadsService, caller: Caller, limit: Limit = 20, cursor: UploadCursor = None
) -> Page[UploadView]:
    """The caller's uploads, the newest first."""
    return uploads.list(caller.account_id, cursor=cursor, limit=limit)


@router.get("/{upload_id}", summary="Get an upload", responses=_ONE)
def get_upload(upload_id: UploadId, uploads: UploadsService, caller: Caller) -> UploadView:
    """The upload; while it is pending, with the parts that have arrived and fresh URLs for those that have not."""
    return uploads.get(caller.account_id, upload_id)


@router.post(
    "/{upload_id}/complete",
    summary="Complete an upload",
    responses=answers(UploadNotFound, UploadIncomplete, UploadIsFetched, UploadReplaced, PartMismatch),
)
def complete_upload(
    upload_id: UploadId,
    completion: Annotated[Completion, Body(openapi_examples=_COMPLETION)],
    uploads: UploadsService,
    caller: Caller,
) -> UploadView:
    """Declares the file whole. Answers with the verdict, or `validating` where that takes longer than a request may."""
    named = None if completion.parts is None else [(part.number, part.etag) for part in completion.parts]
    return uploads.complete(caller.account_id, upload_id, named)


@router.delete("/{upload_id}", summary="Delete an upload", status_code=204, responses=_ONE)
def delete_upload(upload_id: UploadId, uploads: UploadsService, caller: Caller) -> Response:
    """Deletes the upload and its file, in whatever state it is."""
    uploads.delete(caller.account_id, upload_id)
    return Response(status_code=204)


@router.put(
    "/{upload_id}/content",
    summary="Send the whole file",
    responses=answers(
        TransferBroken,
        UploadNotFound,
        TransferStalled,
        UploadIsFetched,
        UploadNotPending,
        UploadReplaced,
        UploadTooLarge,
        ContentLengthMismatch,
        TooManyTransfers,
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def put_upload_content(
    upload_id: UploadId, request: Request, transfers: TransfersService, caller: Caller
) -> UploadView:
    """The whole file as the body of one request, for small clients; completes the upload as well."""
    length = _content_length(request)
    transfer = await run_in_threadpool(transfers.begin, caller.account_id, upload_id, length)
    try:
        body = aiter(request.stream())
        while True:
            begun = time.monotonic()
            try:
                async with asyncio.timeout(transfers.idle_seconds):
                    chunk = await anext(body, None)
            except TimeoutError:
                raise TransferStalled from None
            if chunk is None:
                break
            if transfer.take(chunk, time.monotonic() - begun):
                await run_in_threadpool(transfer.flush)
        return await run_in_threadpool(transfer.finish)
    except ClientDisconnect:
        raise TransferBroken from None
    finally:
        # Also when the client goes away or the server stops: the parts must not stay.
        with CancelScope(shield=True):
            await run_in_threadpool(transfer.close)


def _content_length(request: Request) -> int | None:
    """The announced length of the body; the server has refused what is not a number."""
    value = request.headers.get("content-length", "")
    return int(value) if value.isdecimal() and len(value) < 20 else None
