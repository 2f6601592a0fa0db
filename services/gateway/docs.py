"""The interactive page of the API. Every asset is local: the Swagger UI files come from the package fastapi-offline."""

from importlib.resources import files

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from services.gateway.admission import Admission
from services.kit.errors import RouteNotFound

ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon.png": "image/png",
}

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Stemwright API</title>
<link rel="icon" href="/docs/assets/favicon.png">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/assets/start.js"></script>
</body>
</html>
"""


# Swagger UI sets style attributes and draws its icons from data: addresses.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


READ = ["GET", "HEAD"]


async def counted(request: Request) -> None:
    """Pages count as requests of the client's address."""
    admission: Admission = request.app.state.admission
    await admission.count(request.scope)


router = APIRouter(include_in_schema=False, dependencies=[Depends(counted)])


@router.api_route("/docs", methods=READ)
async def page() -> Response:
    return HTMLResponse(PAGE, headers={"content-security-policy": POLICY, "cache-control": "no-cache"})


@router.api_route("/docs/assets/{name}", methods=READ)
async def asset(name: str) -> Response:
    headers = {"cache-control": "public, max-age=86400"}
    if name == "start.js":
        return FileResponse(
            str(files("services.gateway").joinpath("docs.js")), media_type="text/javascript", headers=headers
        )
    if name not in ASSETS:
        raise RouteNotFound
    path = str(files("fastapi_offline").joinpath("static", name))
    return FileResponse(path, media_type=ASSETS[name], headers=headers)


@router.api_route("/v1/openapi.json", methods=READ)
async def document() -> Response:
    """The public document."""
    path = str(files("services.gateway").joinpath("openapi.json"))
    return FileResponse(path, media_type="application/json", headers={"cache-control": "public, max-age=60"})
