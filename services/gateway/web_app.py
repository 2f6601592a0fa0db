"""The web app: one document for each of its pages, and the files that it names by their content.

They are built from `web/` into the folder `web` beside this module. Where they were not, the start page says how, and
the links of mails lead to pages that need no build.
"""

import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from services.gateway import account_pages
from services.gateway.docs import READ, counted
from services.gateway.routes import APP_PAGES
from services.kit.errors import RouteNotFound
from services.kit.problems import problem_response

BUILT = Path(__file__).parent / "web"
NONCE = "NONCE-OF-THIS-ANSWER"
"""Stands in the document as it was built, where a number of each answer's own belongs."""

NOT_BUILT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Stemwright</title>
<style>body { font: 16px/1.5 system-ui, sans-serif; max-width: 34em; margin: 3em auto; padding: 0 1em }</style>
</head>
<body>
<main>
<h1>Stemwright is running</h1>
<p>Its pages have not been built here, which takes a registry of npm packages, once: <code>make web</code> in the
checkout builds them, or says what is in the way. They then appear here without a restart.</p>
<p>The <a href="/docs">API</a> needs no pages.</p>
</main>
</body>
</html>
"""
WITHOUT_BUILD: Mapping[str, str] = {
    "/account/verify-email": account_pages.VERIFY_EMAIL,
    "/account/reset-password": account_pages.RESET_PASSWORD,
}

_MEDIA_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
}
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")
_COMPRESSED = {"br": ".br", "gzip": ".gz"}
"""What the build lays beside an asset, the shortest first."""
_OF_WORKERS = "default-src 'none'; script-src 'wasm-unsafe-eval'; frame-ancestors 'none'"
"""A worker goes by the policy of its own file: it may compile what is in it (speed and key), and reach nothing."""
_PERMISSIONS = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"

router = APIRouter(include_in_schema=False, dependencies=[Depends(counted)])


def policy(nonce: str, object_store_origin: str | None = None) -> str:
    """What the app's document may load: its own files, WebAssembly among them (speed and key in the mixer), and style
    elements with the number of this answer. Songs go to the object store, where that has an origin of its own."""
    reached = " ".join(["'self'", *([object_store_origin] if object_store_origin else [])])
    return (
        f"default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'nonce-{nonce}'; "
        f"img-src 'self' data: blob:; font-src 'self'; connect-src {reached}; media-src 'self' blob:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


async def document(request: Request) -> Response:
    """The answer to a page of the app."""
    return _document(request)


def not_found(request: Request, error: RouteNotFound) -> Response:
    """The answer where nothing is: to who reads pages the app, which says so in their language; to programs, and to
    anybody about the API, the problem."""
    if f"{request.url.path}/".startswith("/v1/") or not _reads_pages(request):
        return problem_response(error)
    answer = _document(request, error.status)
    # What browsers get depends on their `Accept`, and the address may have a page tomorrow.
    answer.headers["cache-control"] = "no-store"
    return answer


def _reads_pages(request: Request) -> bool:
    """Whether it is a browser that opens an address. Programs that take HTML as well name JSON too, or anything."""
    accepted = {part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")}
    return request.method in READ and "text/html" in accepted and "application/json" not in accepted


def _document(request: Request, status: int = 200) -> Response:
    pages: Path = request.app.state.pages
    try:
        built = (pages / "index.html").read_text(encoding="utf-8")
    except FileNotFoundError:
        return account_pages.answer(WITHOUT_BUILD.get(request.url.path, NOT_BUILT), status)
    nonce = secrets.token_urlsafe(16)
    headers = {
        "content-security-policy": policy(nonce, request.app.state.settings.object_store_origin),
        "permissions-policy": _PERMISSIONS,
        "cache-control": "no-cache",
    }
    return HTMLResponse(built.replace(NONCE, nonce), status, headers=headers)


for _path in APP_PAGES:
    router.add_api_route(_path, document, methods=READ)


@router.api_route("/assets/{name}", methods=READ)
async def asset(request: Request, name: str, accept_encoding: Annotated[str, Header()] = "") -> Response:
    """A file that has a digest of its content in its name, so that a browser may keep it for ever."""
    if not _NAME.fullmatch(name):
        raise RouteNotFound
    path: Path = request.app.state.pages / "assets" / name
    return _file(path, accept_encoding, "public, max-age=31536000, immutable")


@router.api_route("/early.js", methods=READ)
async def early(request: Request) -> Response:
    """What runs before anything is drawn; it has no digest in its name."""
    return _file(request.app.state.pages / "early.js", "", "no-cache")


def _file(path: Path, accept_encoding: str, cache_control: str) -> Response:
    """Raises RouteNotFound where there is no such file, or one of a kind that is not served."""
    media_type = _MEDIA_TYPES.get(path.suffix)
    if media_type is None or not path.is_file():
        raise RouteNotFound
    headers = {"cache-control": cache_control, "vary": "Accept-Encoding", "cross-origin-resource-policy": "same-origin"}
    if path.suffix == ".js":
        headers["content-security-policy"] = _OF_WORKERS
    for coding in _codings(accept_encoding):
        compressed = path.with_name(path.name + _COMPRESSED[coding])
        if compressed.is_file():
            return FileResponse(compressed, media_type=media_type, headers={**headers, "content-encoding": coding})
    return FileResponse(path, media_type=media_type, headers=headers)


def _codings(accept_encoding: str) -> list[str]:
    """The codings of ours that a client takes (RFC 9110 section 12.5.3); a weight of nought refuses one."""
    offered: dict[str, str] = {}
    for part in accept_encoding.split(","):
        coding, _, weight = part.strip().lower().partition(";")
        offered[coding.strip()] = weight.replace(" ", "")
    return [each for each in _COMPRESSED if each in offered and offered[each] not in {"q=0", "q=0.0", "q=0.00"}]
