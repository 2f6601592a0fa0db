"""Which part of a list a request asks for."""

from typing import Annotated

from fastapi import Query

from services.kit.schemas import id_form

Limit = Annotated[int, Query(ge=1, le=100, description="Most items of the page.")]
_PAGE = "The `next_cursor` of the page before; absent for the first page."
JobCursor = Annotated[str | None, Query(pattern=id_form("job"), description=_PAGE)]
BatchCursor = Annotated[str | None, Query(pattern=id_form("bat"), description=_PAGE)]
UploadCursor = Annotated[str | None, Query(pattern=id_form("upl"), description=_PAGE)]
AccountCursor = Annotated[str | None, Query(pattern=id_form("usr"), description=_PAGE)]
ApiKeyCursor = Annotated[str | None, Query(pattern=id_form("key"), description=_PAGE)]
SecurityEventCursor = Annotated[str | None, Query(pattern=id_form("sec"), description=_PAGE)]
PaymentCursor = Annotated[str | None, Query(pattern=id_form("pay"), description=_PAGE)]
WorkerCursor = Annotated[str | None, Query(pattern=id_form("wrk"), description=_PAGE)]
EndpointCursor = Annotated[str | None, Query(pattern=id_form("whe"), description=_PAGE)]
DeliveryCursor = Annotated[str | None, Query(pattern=id_form("whd"), description=_PAGE)]
PriceCursor = Annotated[str | None, Query(pattern=id_form("prc"), description=_PAGE)]
ShareCursor = Annotated[str | None, Query(pattern=id_form("shr"), description=_PAGE)]
"""Where a page begins: after the last id of the page before."""
