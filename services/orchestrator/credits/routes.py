"""Quotes, as in the public contract."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request

from services.kit.errors import answers
from services.kit.schemas import EXAMPLE_IDS, examples
from services.orchestrator.credits.schemas import NewQuote, Quote
from services.orchestrator.credits.service import Quotes
from services.orchestrator.jobs.errors import (
    OutputUnsuitable,
    PreviewOutside,
    UnknownModel,
)
from services.orchestrator.jobs.routes import Caller
from services.orchestrator.uploads.errors import TooManyUnknownUploads, UploadNotFound, UploadNotReady, UploadRejected


async def _quotes(request: Request) -> Quotes:
    quotes: Quotes = request.app.state.quotes
    return quotes


QuotesDep = Annotated[Quotes, Depends(_quotes)]

router = APIRouter(prefix="/v1", tags=["Jobs"])

_UPLOAD = EXAMPLE_IDS["upl"]
_QUOTES = examples({"upload_id": _UPLOAD, "mode": "full"}, relaxed={"upload_id": _UPLOAD, "tier": "relaxed"})

_PRICED = answers(
    UploadNotFound,
    UploadNotReady,
    UploadRejected,
    UnknownModel,
    PreviewOutside,
    OutputUnsuitable,
    TooManyUnknownUploads,
)


@router.post("/quotes", summary="Ask for the price", responses=_PRICED)
def create_quote(
    body: Annotated[NewQuote, Body(openapi_examples=_QUOTES)],
    caller: Caller,
    quotes: QuotesDep,
) -> Quote:
    """What a separation costs; a job made from the same request costs exactly that."""
    return quotes.quote(caller.account_id, body)
