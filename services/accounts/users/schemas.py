"""Requests and answers about users."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator

from services.accounts.ledger.transfers import MAX_CREDITS
from services.accounts.users import emails, passwords
from services.accounts.users.emails import EmailAddress
from services.accounts.users.models import User
from services.accounts.users.roles import Role
from services.kit.schemas import CONTROL, RequestBody, Whole
from services.kit.validation import form


def _email(text: str) -> str:
    emails.parse(text)
    return text


def _password(text: str) -> str:
    if not passwords.acceptable(text):
        raise ValueError(
            f"must have {passwords.MIN_CHARACTERS} to {passwords.MAX_CHARACTERS} characters and no control characters"
        )
    return text


Email = Annotated[
    str,
    Field(max_length=emails.MAX_CHARACTERS, json_schema_extra={"format": "idn-email"}),
    AfterValidator(_email),
]

Password = Annotated[
    str,
    StringConstraints(
        min_length=passwords.MIN_CHARACTERS,
        max_length=passwords.MAX_CHARACTERS,
        pattern=form(r"^[^\x00-\x1f\x7f-\x9f]*$", "must have no control characters"),
    ),
    AfterValidator(_password),
]


Name = Annotated[
    str,
    StringConstraints(
        max_length=100,
        pattern=form(
            rf"^[^{CONTROL}]*[^{CONTROL}\s][^{CONTROL}]*$",
            "must be one line of text without control characters, and not blank",
        ),
    ),
    AfterValidator(str.strip),
]


class Registration(RequestBody):
    email: Email
    password: Password = Field(repr=False, json_schema_extra={"format": "password"})
    display_name: Name | None = None

    def address(self) -> EmailAddress:
        return emails.parse(self.email)


class RegistrationIdentity(BaseModel):
    """What makes two registrations the same request. Its hash is stored, so of the password it has a digest that only
    this service can make."""

    email_key: str
    password_digest: str
    display_name: str | None


class UserView(BaseModel):
    id: str
    email: str
    email_verified: bool = Field(description="Whether somebody has proved to read mails at the address.")
    display_name: str | None
    roles: list[Role]
    low_credits_threshold: int | None = Field(
        description="With fewer credits than this you are written a mail, and `credits.low` is told; null: never."
    )
    created_at: datetime

    @classmethod
    def of(cls, user: User) -> "UserView":
        return cls(
            id=user.id,
            email=user.email,
            email_verified=user.email_verified_at is not None,
            display_name=user.display_name,
            roles=[Role(role) for role in user.roles],
            low_credits_threshold=user.low_credits_threshold,
            created_at=user.created_at,
        )


class ProfileChange(RequestBody):
    """Fields that are absent stay as they are."""

    display_name: Name | None = None
    low_credits_threshold: Annotated[int, Whole(ge=1, le=MAX_CREDITS)] | None = Field(
        None, description="Be told when fewer credits than this are left, once each time; null: never."
    )


MailTokenText = Annotated[str, StringConstraints(min_length=1, max_length=200)]
EXAMPLE_MAIL_TOKEN = f"mail_{'0' * 38}"
NewPassword = Annotated[Password, Field(json_schema_extra={"format": "password"})]


class EmailVerification(RequestBody):
    """Either the token of a mail, or the address for which another mail is asked for."""

    token: MailTokenText | None = None
    email: Email | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "EmailVerification":
        if (self.token is None) == (self.email is None):
            raise ValueError("must have either token or email")
        return self


class ResetRequest(RequestBody):
    email: Email


class PasswordReset(RequestBody):
    token: MailTokenText
    password: NewPassword


class PasswordChange(RequestBody):
    present_password: Annotated[str, StringConstraints(max_length=4 * passwords.MAX_CHARACTERS)] = Field(
        json_schema_extra={"format": "password"}
    )
    password: NewPassword
