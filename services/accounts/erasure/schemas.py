"""Requests and answers about erasures."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, Field

from services.accounts.erasure.kept import kept
from services.accounts.erasure.models import Erasure
from services.accounts.erasure.service import OURSELVES, TOKEN_PREFIX, unanswered
from services.accounts.users.schemas import Password
from services.kit.schemas import RequestBody
from services.kit.validation import form

ReceiptToken = Annotated[
    str,
    Path(
        pattern=form(rf"^{TOKEN_PREFIX}[A-Za-z0-9_-]{{43}}$", f"must be a token that begins with {TOKEN_PREFIX}"),
        description="From the answer to the request. Whoever has it may read the receipt.",
    ),
]


class ErasureRequest(RequestBody):
    password: Password = Field(
        description="Of the account, so that a token that fell into other hands is not enough.",
        json_schema_extra={"format": "password"},
    )


class ServiceReceipt(BaseModel):
    service: str
    finished_at: datetime | None = Field(description="Null while it is still at work.")
    erased: dict[str, int] = Field(description="How many were deleted, by kind.")


class KeptRecord(BaseModel):
    name: str
    what: str
    why: str
    until: datetime | None = Field(description="Null where the law of the operator's country says how long.")


class ErasureView(BaseModel):
    id: str
    account_id: str = Field(description="Under which the ledger still has its entries; no name belongs to it any more.")
    status: Literal["running", "finished"]
    requested_at: datetime
    finished_at: datetime | None
    services: list[ServiceReceipt]
    kept: list[KeptRecord] = Field(description="What stays, why, and until when.")

    @classmethod
    def of(cls, erasure: Erasure) -> "ErasureView":
        waiting: dict[str, Any] = {name: {"finished_at": None, "erased": {}} for name in unanswered(erasure.receipts)}
        answers = {**erasure.receipts, **waiting}
        order = sorted(answers, key=lambda service: (service != OURSELVES, service))
        return cls(
            id=erasure.id,
            account_id=erasure.account_id,
            status="running" if waiting else "finished",
            requested_at=erasure.requested_at,
            finished_at=erasure.finished_at,
            services=[ServiceReceipt.model_validate({"service": service, **answers[service]}) for service in order],
            kept=[
                KeptRecord(name=name, what=record.what, why=record.why, until=record.until)
                for name, record in kept(erasure.requested_at).items()
            ],
        )


class ErasureBegun(ErasureView):
    receipt_url: str = Field(
        description="Where the receipt is, for whoever knows this address: there is no account any more to sign in "
        "with. It is told this once."
    )
