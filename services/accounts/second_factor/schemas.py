"""Requests and answers about second factors."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from services.accounts.users.passwords import MAX_CHARACTERS
from services.kit.schemas import RequestBody
from services.kit.validation import form

Code = Annotated[
    str,
    StringConstraints(
        min_length=6,
        max_length=40,
        pattern=form(r"^[0-9A-Za-z -]*$", "must be the six digits of the app, or a recovery code"),
    ),
    Field(repr=False),
]
PresentPassword = Annotated[
    str, StringConstraints(max_length=4 * MAX_CHARACTERS), Field(repr=False, json_schema_extra={"format": "password"})
]


class SecondFactorStart(RequestBody):
    password: PresentPassword


class SecondFactorCode(RequestBody):
    code: Code


class SecondFactorEnd(RequestBody):
    password: PresentPassword
    code: Code = Field(description="Of the app, or a recovery code.")


class SecondFactorView(BaseModel):
    enabled: bool
    enabled_at: datetime | None
    recovery_codes_left: int


class SecondFactorSetup(BaseModel):
    secret: str = Field(repr=False, description="For an app that takes text: base 32, shown this once.")
    otpauth_url: str = Field(repr=False, description="For an app that scans: show it as a QR code.")


class RecoveryCodes(BaseModel):
    recovery_codes: list[str] = Field(
        repr=False, description="Each signs in once in place of the app's code; shown this once."
    )
