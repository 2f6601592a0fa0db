"""Requests and answers of the accounts service."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, field_validator

from services.accounts import emails, passwords
from services.accounts.api_keys import MAX_LENGTH
from services.accounts.emails import EmailAddress
from services.accounts.ledger import TransferKind
from services.accounts.models import ApiKey, User
from services.accounts.repository.ledger import LedgerFindings, StatementLine
from services.accounts.roles import Role
from services.kit.schemas import CONTROL, RequestBody


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
        min_length=passwords.MIN_CHARACTERS, max_length=passwords.MAX_CHARACTERS, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$"
    ),
    AfterValidator(_password),
]
Name = Annotated[
    str,
    StringConstraints(max_length=100, pattern=rf"^[^{CONTROL}]*[^{CONTROL}\s][^{CONTROL}]*$"),
    AfterValidator(str.strip),
]
Scope = Literal["uploads", "jobs", "billing:read", "webhooks", "events"]


class Registration(RequestBody):
    email: Email
    password: Password = Field(json_schema_extra={"format": "password"})
    display_name: Name | None = None

    def address(self) -> EmailAddress:
        return emails.parse(self.email)


class RegistrationIdentity(BaseModel):
    """What makes two registrations the same request; its hash is stored, so the password is not in it."""

    email_key: str
    display_name: str | None


class UserView(BaseModel):
    id: str
    email: str
    display_name: str | None
    roles: list[Role]
    created_at: datetime

    @classmethod
    def of(cls, user: User) -> "UserView":
        return cls(
            id=user.id,
            email=user.email,
            display_name=user.display_name,
            roles=[Role(role) for role in user.roles],
            created_at=user.created_at,
        )


class ProfileChange(RequestBody):
    """Fields that are absent stay as they are."""

    display_name: Name | None = None


class TokenView(BaseModel):
    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a scheme, not a secret
    expires_in: int = Field(description="Seconds until the access token expires.")
    refresh_token: str


class NewApiKey(RequestBody):
    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=5, json_schema_extra={"uniqueItems": True})]

    @field_validator("scopes")
    @classmethod
    def _each_once(cls, scopes: list[Scope]) -> list[Scope]:
        if len(set(scopes)) != len(scopes):
            raise ValueError("must name each scope once")
        return sorted(scopes)


class ApiKeyView(BaseModel):
    id: str
    name: str
    hint: str = Field(description="The end of the key, to recognise it by.")
    scopes: list[Scope]
    created_at: datetime
    last_used_at: datetime | None = Field(description="To within five minutes.")

    @classmethod
    def of(cls, key: ApiKey) -> "ApiKeyView":
        return cls(
            id=key.id,
            name=key.name,
            hint=key.hint,
            scopes=key.scopes,
            created_at=key.created_at,
            last_used_at=key.last_used_at,
        )


class ApiKeyMade(ApiKeyView):
    key: str | None = Field(
        description="The key itself, shown this once. Only a repeated request with the same Idempotency-Key shows it "
        "again, for a day, as long as the key is not deleted and the platform's signing key is the same."
    )


class KeyExchange(RequestBody):
    api_key: Annotated[str, StringConstraints(min_length=1, max_length=MAX_LENGTH)]


class ExchangedToken(BaseModel):
    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105
    expires_in: int


class BalanceView(BaseModel):
    available_credits: int
    reserved_credits: int = Field(description="Held for jobs that are under way.")


class LedgerEntryView(BaseModel):
    """One movement of credits."""

    id: str
    kind: TransferKind
    available_change_credits: int
    reserved_change_credits: int
    available_after_credits: int
    reserved_after_credits: int
    job_id: str | None
    reason: str
    created_at: datetime

    @classmethod
    def of(cls, line: StatementLine) -> "LedgerEntryView":
        return cls(
            id=line.id,
            kind=TransferKind(line.kind),
            available_change_credits=line.available_change,
            reserved_change_credits=line.reserved_change,
            available_after_credits=line.available_after,
            reserved_after_credits=line.reserved_after,
            job_id=line.job_id,
            reason=line.reason,
            created_at=line.created_at,
        )


class LedgerCheckView(BaseModel):
    """Whether the books add up; each list holds at most the first hundred offenders."""

    ok: bool
    transfers: int
    entries: int
    total_credits: int = Field(description="The sum of all entries: 0.")
    unbalanced_transfers: Sequence[str]
    wrong_balances: Sequence[str] = Field(description="Accounts whose balance is not the sum of their entries.")
    wrong_holds: Sequence[str] = Field(description="Accounts whose reserved credits are not the sum of their holds.")

    @classmethod
    def of(cls, findings: LedgerFindings) -> "LedgerCheckView":
        wrong = (findings.unbalanced_transfers, findings.wrong_balances, findings.wrong_holds)
        return cls(
            ok=findings.total_credits == 0 and not any(wrong),
            transfers=findings.transfers,
            entries=findings.entries,
            total_credits=findings.total_credits,
            unbalanced_transfers=findings.unbalanced_transfers,
            wrong_balances=findings.wrong_balances,
            wrong_holds=findings.wrong_holds,
        )


class JwkView(BaseModel):
    kty: str
    crv: str
    x: str
    kid: str
    use: str
    alg: str


class KeySetView(BaseModel):
    keys: list[JwkView]
