"""Links by which others may listen to a job. Who follows one is asked for nothing but its token."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Request
from fastapi.responses import JSONResponse, Response

from services.kit.errors import answers
from services.kit.schemas import JobId, Page, ShareId, examples
from services.kit.validation import form
from services.orchestrator.jobs.errors import JobNotFinished, JobNotFound
from services.orchestrator.jobs.routes import Caller
from services.orchestrator.results.errors import ResultDamaged, SegmentNotFound
from services.orchestrator.results.routes import SegmentNumber, Track, flac
from services.orchestrator.results.schemas import PlaybackAnswer, Waveforms
from services.orchestrator.shares.errors import ShareNotFound, TooManyShares
from services.orchestrator.shares.schemas import MadeShare, NewShare, ShareAnswer, SharedSong
from services.orchestrator.shares.service import Shares


async def _shares(request: Request) -> Shares:
    shares: Shares = request.app.state.shares
    return shares


SharesDep = Annotated[Shares, Depends(_shares)]
# A path has one name for what stands in its place, and ids and tokens stand in the same one.
Token = Annotated[
    str,
    Path(alias="share", pattern=form(r"^[A-Za-z0-9_-]{22}$", "must be the token of a link"), description="Its token."),
]
Id = Annotated[ShareId, Path(alias="share", description="Its id.")]

router = APIRouter(prefix="/v1", tags=["Jobs"])

_FOLLOWED = answers(ShareNotFound)
_SHARE = examples({"title": "Demo, rough mix", "expires_in_seconds": 604_800})


@router.post(
    "/jobs/{job_id}/shares",
    summary="Make a link to listen",
    status_code=201,
    responses=answers(JobNotFound, JobNotFinished, TooManyShares),
)
def create_share(
    job_id: JobId, body: Annotated[NewShare, Body(openapi_examples=_SHARE)], caller: Caller, shares: SharesDep
) -> MadeShare:
    """A link by which whoever has it may listen to the job's tracks, and do nothing else, until it expires or is ended.

    It ends with the job and its stems too. The token is shown once, so a request that is sent again makes another link.
    """
    return shares.create(caller.account_id, job_id, body)


@router.get("/jobs/{job_id}/shares", summary="List links to listen", responses=answers(JobNotFound))
def list_shares(job_id: JobId, caller: Caller, shares: SharesDep) -> Page[ShareAnswer]:
    """The job's links that work, newest first; always one page."""
    return Page(items=shares.list_of_job(caller.account_id, job_id), next_cursor=None)


@router.delete(
    "/shares/{share}", summary="End a link", status_code=204, response_class=Response, responses=answers(ShareNotFound)
)
def delete_share(share: Id, caller: Caller, shares: SharesDep) -> None:
    """Ends the link at once: 404 to whoever follows it from now on."""
    shares.end(caller.account_id, share)


@router.get("/shares/{share}", summary="Follow a link", responses=_FOLLOWED)
def get_share(share: Token, shares: SharesDep) -> SharedSong:
    """What its owner lets listeners know of the song. 404 whatever the link may once have been."""
    return shares.song(share)


@router.get("/shares/{share}/playback", summary="What can be listened to by a link", responses=_FOLLOWED)
def get_shared_playback(share: Token, shares: SharesDep) -> PlaybackAnswer:
    """As `GET /v1/jobs/{job_id}/playback`."""
    return shares.playback(share)


@router.get(
    "/shares/{share}/playback/{track}/{number}",
    summary="Listen to a segment by a link",
    response_class=Response,
    responses={
        200: {"description": "FLAC of 16 bits.", "content": {"audio/flac": {}}},
        **answers(ShareNotFound, SegmentNotFound),
    },
)
def get_shared_segment(share: Token, track: Track, number: SegmentNumber, shares: SharesDep) -> Response:
    """As `GET /v1/jobs/{job_id}/playback/{track}/{number}`, but not to be kept: a link that has ended is silent."""
    return flac(shares.segment(share, track, number))


@router.get(
    "/shares/{share}/waveforms",
    summary="Get peaks to draw by a link",
    response_model=Waveforms,
    responses=answers(ShareNotFound, ResultDamaged),
)
def get_shared_waveforms(share: Token, shares: SharesDep) -> JSONResponse:
    """As `GET /v1/jobs/{job_id}/waveforms`."""
    return JSONResponse(shares.waveforms(share))
