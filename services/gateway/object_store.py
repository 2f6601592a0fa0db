"""The object store of a platform on one machine, through the gateway: clients need one address, and ranges are HTTP's.

rclone answers a range with the right bytes and headers, and with the status 200, which players take for the whole file
(docs/decisions/0053). What passes here is one object, by an address that is signed; everything else that an object
store can do is not reached from outside.
"""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus

import httpcore2

from services.gateway.headers import Headers, first
from services.gateway.proxy import Outgoing, Service

_ONE_RANGE = re.compile(rb"bytes=(?:[0-9]{1,18}-[0-9]{0,18}|-[0-9]{1,18})")
_LAST_BYTES = re.compile(rb"bytes=-0*[1-9][0-9]*")
_BACKWARDS = re.compile(rb"bytes=([0-9]+)-([0-9]+)")


@dataclass(frozen=True)
class Answered:
    """What a client is told in place of the store's own status, and besides its headers."""

    response: httpcore2.Response
    status: int
    more: Headers


@asynccontextmanager
async def fetched(store: Service, outgoing: Outgoing) -> AsyncIterator[Answered]:
    """The store's answer, its status and headers as RFC 9110 (section 14) has them. Raises as `Service.request`.

    Several ranges, and what is no range, are ignored, as that section allows: the whole object is the answer.
    """
    condition = first(outgoing.headers, b"if-range")
    wanted = _one_range([value for name, value in outgoing.headers if name == b"range"])
    outgoing = _with_range(outgoing, wanted)
    async with AsyncExitStack() as stack:
        response = await stack.enter_async_context(store.request(outgoing))
        if condition is not None and _value(response, b"content-range") and condition not in _versions(response):
            # The client has a piece of something else: it gets all of this.
            await stack.aclose()
            response = await stack.enter_async_context(store.request(_with_range(outgoing, None)))
        size = None
        if response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            size = await _size(store, outgoing)
            if size and wanted and _LAST_BYTES.fullmatch(wanted):
                # More of its last bytes than there are: that is all of them, which the store does not know.
                await stack.aclose()
                response = await stack.enter_async_context(store.request(_with_range(outgoing, b"bytes=0-")))
        if response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            yield Answered(response, response.status, [(b"content-range", b"bytes */" + size)] if size else [])
        else:
            part = response.status == HTTPStatus.OK and _value(response, b"content-range") is not None
            yield Answered(response, HTTPStatus.PARTIAL_CONTENT if part else response.status, [])


def _one_range(headers: Sequence[bytes]) -> bytes | None:
    """The header, if it is one that asks for one range that can be."""
    if len(headers) != 1 or not _ONE_RANGE.fullmatch(headers[0]):
        return None
    [header] = headers
    ends = _BACKWARDS.fullmatch(header)
    return None if ends is not None and int(ends[1]) > int(ends[2]) else header


def _with_range(outgoing: Outgoing, wanted: bytes | None) -> Outgoing:
    headers = [(name, value) for name, value in outgoing.headers if name not in {b"range", b"if-range"}]
    return replace(outgoing, headers=headers if wanted is None else [*headers, (b"range", wanted)])


def _value(response: httpcore2.Response, name: bytes) -> bytes | None:
    return next((value for key, value in response.headers if key.lower() == name), None)


def _versions(response: httpcore2.Response) -> set[bytes | None]:
    return {_value(response, b"etag"), _value(response, b"last-modified")}


async def _size(store: Service, outgoing: Outgoing) -> bytes | None:
    """How long the object is, which the store does not say when it refuses a range."""
    async with store.request(_with_range(outgoing, b"bytes=0-0")) as response:
        return (_value(response, b"content-range") or b"").rpartition(b"/")[2] or None
