"""`GET /v1/me/export`: what the platform has of an account, as one zip.

It is what the services answer the account about itself, every list to its last page. They are asked here, because
nobody else may ask them, and the zip is made while it is sent: a page and a file are in memory, however much there is.
Threads read and write it, since a page of the longest notes takes longer than other callers should wait.
"""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Scope
from zipstream import ZIP_DEFLATED, ZipStream

from services.gateway.admission import Admission
from services.gateway.proxy import MAX_ANSWER_BYTES, Outgoing, Services, read_whole
from services.gateway.routes import Upstream
from services.kit.errors import Forbidden, Unauthorized, Unavailable
from services.kit.storage import attachment
from services.kit.telemetry import current_traceparent

PAGE_ITEMS = 100
PAGES_IN_A_FILE = 20
FULL_FILE_BYTES = 4 * 1024 * 1024
"""A file that holds so much takes no further page."""


@dataclass(frozen=True)
class Part:
    """One kind of thing that a service has of an account."""

    name: str
    upstream: Upstream
    path: str
    about: str
    listed: bool = True
    """A list of pages; else one document."""


PARTS = (
    Part("profile", Upstream.ACCOUNTS, "/v1/me", "your address, name and roles", listed=False),
    Part("address", Upstream.ACCOUNTS, "/v1/me/email", "changes of your address", listed=False),
    Part("sign-ins", Upstream.ACCOUNTS, "/v1/auth/sessions", "where you are signed in"),
    Part("second-factor", Upstream.ACCOUNTS, "/v1/me/second-factor", "whether signing in takes a code", listed=False),
    Part("api-keys", Upstream.ACCOUNTS, "/v1/api-keys", "your API keys, without the keys themselves: nobody has those"),
    Part(
        "security-events",
        Upstream.ACCOUNTS,
        "/v1/me/security-events",
        "sign-ins, keys, roles: when, from which network, with what",
    ),
    Part("balance", Upstream.ACCOUNTS, "/v1/billing/balance", "your credits", listed=False),
    Part("ledger", Upstream.ACCOUNTS, "/v1/billing/ledger", "each movement of your credits"),
    Part(
        "subscription",
        Upstream.ACCOUNTS,
        "/v1/billing/subscription",
        "your plan, null where you have none",
        listed=False,
    ),
    Part("payments", Upstream.ACCOUNTS, "/v1/billing/payments", "what you paid; receipts are at /v1/billing/payments"),
    Part("uploads", Upstream.UPLOAD, "/v1/uploads", "the songs that you sent: names, sizes, what was found in them"),
    Part("jobs", Upstream.ORCHESTRATOR, "/v1/jobs", "your separations, with what you noted on them, and their stems"),
    Part("batches", Upstream.ORCHESTRATOR, "/v1/batches", "what you ordered together, with what you noted on it"),
    Part("shares", Upstream.ORCHESTRATOR, "/internal/shares", "links that you made for others to listen by"),
    Part("events", Upstream.NOTIFIER, "/internal/events", "what was told of your uploads, separations and payments"),
    Part(
        "webhook-endpoints", Upstream.NOTIFIER, "/internal/webhook-endpoints", "where you are told, without the secrets"
    ),
    Part("feedback", Upstream.ORCHESTRATOR, "/internal/feedback", "what you said of stems"),
)

router = APIRouter()


class Answers:
    """What services answer one caller about themselves."""

    def __init__(self, services: Services, admission: Admission, scope: Scope) -> None:
        self._services = services
        self._admission = admission
        self._scope = scope

    async def ask(self, part: Part, cursor: str | None = None, *, limit: int = PAGE_ITEMS) -> bytes:
        """One page of a list, or one document, `null` where there is none, as JSON.

        Raises Unauthorized, Forbidden, Unavailable or what `request` does.
        """
        query = {"limit": str(limit), **({"cursor": cursor} if cursor else {})} if part.listed else {}
        own = {
            # Asked for anew each time: a long export may outlive its first token, and must end with its sign-in.
            b"authorization": await self._admission.renew(self._scope),
            b"x-request-id": self._scope["state"]["request_id"].encode(),
            b"traceparent": (current_traceparent() or "").encode(),
        }
        headers = [(name, value) for name, value in own.items() if value]
        target = f"{part.path}?{urlencode(query)}".removesuffix("?").encode()
        outgoing = Outgoing("GET", target, headers, repeatable=True)
        async with self._services[part.upstream].request(outgoing) as response:
            answer = await read_whole(response, MAX_ANSWER_BYTES)
        match response.status:
            case HTTPStatus.OK:
                return answer
            case HTTPStatus.NOT_FOUND if not part.listed:
                return b"null"
            case HTTPStatus.UNAUTHORIZED:
                raise Unauthorized
            case HTTPStatus.FORBIDDEN:
                raise Forbidden
            case _:
                raise Unavailable(f"Your {part.name} cannot be read at the moment.", retry_after_seconds=2)


@dataclass(frozen=True)
class Export:
    """An export that every service has begun to answer: what could be refused was."""

    answers: Answers
    made_at: datetime
    finished: Callable[[], None]

    async def zip(self) -> AsyncIterator[bytes]:
        """The zip, file by file. An error cuts it off, so that it cannot be taken for a whole one.

        While the client reads, nothing of a file is kept but what goes out.
        """
        archive = ZipStream(compress_type=ZIP_DEFLATED)
        yield await run_in_threadpool(_packed, archive, "README.txt", readme(self.made_at).encode())
        for part in PARTS:
            if part.listed:
                async for file in self._lists(archive, part):
                    yield file
            else:
                content = await run_in_threadpool(_document, await self.answers.ask(part))
                yield await run_in_threadpool(_packed, archive, f"{part.name}.json", content)
        yield b"".join(archive.finalize())
        # The client is told only after this that it has everything, and may then ask for the next one.
        self.finished()

    async def _lists(self, archive: ZipStream, part: Part) -> AsyncIterator[bytes]:
        """`jobs.json`, `jobs-2.json` and so on, each with a bounded number of items and of bytes."""
        number, cursor = 1, None
        pages: list[bytes] = []
        while True:
            items, cursor = await run_in_threadpool(_items, await self.answers.ask(part, cursor))
            pages.append(items)
            del items
            if cursor is None or len(pages) == PAGES_IN_A_FILE or sum(map(len, pages)) >= FULL_FILE_BYTES:
                name = f"{part.name}.json" if number == 1 else f"{part.name}-{number}.json"
                packed = await run_in_threadpool(_packed, archive, name, _list(pages))
                number, pages = number + 1, []
                yield packed
            if cursor is None:
                return


def readme(made_at: datetime) -> str:
    """What each file is, for whoever opens the zip."""
    files = "\n".join(f"{part.name + '.json':24}{part.about}" for part in PARTS)
    return f"""Your data at Stemwright, as of {made_at:%Y-%m-%d %H:%M} UTC

{files}

All of it is JSON (RFC 8259) in UTF-8; times are UTC, sizes bytes. A list of more than {PAGE_ITEMS * PAGES_IN_A_FILE:,}
items, or of many MiB, goes on in a second file, such as jobs-2.json. The fields are those of the API; /docs of the
platform explains them.

Songs and stems are not in here. Each stem is at /v1/jobs/<id of the job>/stems/<name>, all of a job at
/v1/jobs/<id of the job>/archive, and the song itself at /v1/jobs/<id of the job>/stems/mixture.

What else the platform has of you: your password and your keys as hashes that cannot be turned back.
"""


async def open_export(request: Request) -> AsyncIterator[Export]:
    """Everything that can fail, before the first byte goes out."""
    admission: Admission = request.app.state.admission
    admitted = await admission.admit(request.scope)
    with ExitStack() as place:
        place.enter_context(admission.exports.one(admitted.address, admitted.account_id))
        answers = Answers(request.app.state.services, admission, request.scope)
        for part in PARTS:
            await answers.ask(part, limit=1)
        request.state.rate_headers = admitted.rate_headers
        yield Export(answers, datetime.now(UTC), place.close)


@router.get(
    "/v1/me/export",
    response_class=StreamingResponse,
    tags=["accounts"],
    summary="Export your data",
    responses={200: {"description": "A zip of JSON files.", "content": {"application/zip": {}}}},
)
async def export_me(request: Request, export: Annotated[Export, Depends(open_export)]) -> StreamingResponse:
    """What the platform has of you, in one zip: profile, keys, security events, credits, payments, uploads, jobs,
    events, webhook endpoints and feedback as JSON, and a README that says what each file is. One at a time: while it is
    read, another is refused with 429 `too_many_at_once`."""
    name = f"stemwright-export-{export.made_at:%Y-%m-%d}.zip"
    headers = {"Content-Disposition": attachment(name), "Cache-Control": "no-store"}
    response = StreamingResponse(export.zip(), media_type="application/zip", headers=headers)
    response.headers.raw.extend(request.state.rate_headers)
    return response


def _document(answer: bytes) -> bytes:
    return _written(json.loads(answer)) + b"\n"


def _items(answer: bytes) -> tuple[bytes, str | None]:
    """The items of a page as they stand between the brackets of a list, and the cursor of the next page."""
    page = json.loads(answer)
    return _written(page["items"])[2:-2], page["next_cursor"]


def _list(pages: list[bytes]) -> bytes:
    """A file of the items of these pages."""
    items = b",\n".join(filter(None, pages))
    return b"[\n" + items + b"\n]\n" if items else b"[]\n"


def _written(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=2).encode()


def _packed(archive: ZipStream, name: str, content: bytes) -> bytes:
    """The next file of the zip."""
    archive.add(content, name)
    return b"".join(archive.file())
