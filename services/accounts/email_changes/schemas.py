"""Requests and answers about the account's address."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from services.accounts.email_changes.models import EmailChange
from services.accounts.users import passwords
from services.accounts.users.mail_tokens import Purpose
from services.accounts.users.models import User
from services.accounts.users.schemas import Email
from services.kit.schemas import RequestBody


class NewEmail(RequestBody):
    email: Email
    password: Annotated[str, StringConstraints(max_length=4 * passwords.MAX_CHARACTERS)] = Field(
        repr=False, json_schema_extra={"format": "password"}
    )


class EmailChangeView(BaseModel):
    email: str
    asked_at: datetime
    changed_at: datetime | None = Field(description="When it was proved; null while its mail waits.")
    previous_email: str
    until: datetime = Field(description="Until when it can be proved or, once it was, taken back.")

    @classmethod
    def of(cls, change: EmailChange) -> "EmailChangeView":
        proved = change.changed_at
        until = change.asked_at + Purpose.CHANGE.lifetime if proved is None else proved + Purpose.RESTORE.lifetime
        return cls(
            email=change.email,
            asked_at=change.asked_at,
            changed_at=proved,
            previous_email=change.previous_email,
            until=until,
        )


class EmailView(BaseModel):
    email: str
    email_verified: bool
    changes: list[EmailChangeView] = Field(description="Those of late, the newest first.")

    @classmethod
    def of(cls, user: User, changes: list[EmailChangeView]) -> "EmailView":
        return cls(email=user.email, email_verified=user.email_verified_at is not None, changes=changes)
