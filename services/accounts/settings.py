"""Settings of the accounts service."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from services.accounts.users.passwords import MEMORY_KIB
from services.kit.settings import (
    ConsumerGroupSettings,
    DatabaseSettings,
    ServiceSettings,
    TokenSettings,
    home_folder,
    service_config,
)

THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


class Settings(ServiceSettings, DatabaseSettings, ConsumerGroupSettings, TokenSettings):
    model_config = service_config("accounts")

    signing_key_file: Path | None = None
    """PEM file whose first Ed25519 private key signs access tokens; every key in it is published. Production needs it;
    in development it is made where it is missing, and without a file tokens are signed by a key that dies with the
    process."""
    access_token_seconds: int = Field(600, ge=30, le=3600)
    """How long an access token works, unless its session is ended: that the gateway knows within a second or two."""
    refresh_token_days: int = Field(30, ge=1, le=365)
    """Days after which a session that nobody uses ends."""
    session_days: int = Field(90, ge=1, le=3650)
    """Days after which a person signs in again in any case."""
    sessions_max: int = Field(50, ge=1, le=10_000)
    """Sign-ins that one account may have at a time; the one used longest ago ends for another."""
    refresh_grace_seconds: int = Field(10, ge=0, le=120)
    """How long a refresh token that was just used may come again, because its answer may have been lost."""
    password_memory_kib: int = Field(MEMORY_KIB, ge=8, le=1024 * 1024)
    """KiB that a password hash takes, and with them its time. Passwords hashed otherwise are hashed anew at the next
    sign-in; production takes no fewer than the default."""
    password_concurrency: int = Field(2, ge=1, le=64)
    """Password hashes made at once, each by a thread of its own."""
    password_waiting_max: int = Field(24, ge=0, le=1000)
    """Requests that may wait for a password hash before others get 429. Each takes one of the server's 40 threads."""

    public_url: str = Field("http://127.0.0.1:8080", pattern=r"^https?://[^\s/]+$")
    """Where people reach the platform: what links in mails begin with. Production needs https."""
    mail_from: str = "Stemwright <stemwright@localhost>"
    """Who mails are from: an address, or a name and an address in angle brackets."""
    smtp_host: str | None = None
    """The mail server. Production needs one; without it mails are files in `mail_folder`."""
    smtp_port: int = Field(587, ge=1, le=65535)
    """587 for `starttls`, 465 for `implicit`."""
    smtp_security: Literal["starttls", "implicit", "none"] = "starttls"
    """How the connection is encrypted: after STARTTLS, from its first byte, or not at all, which production allows to a
    server on the same machine only."""
    smtp_username: str | None = None
    """Name to sign in with; empty: nobody signs in."""
    smtp_password: SecretStr | None = None
    """Password to sign in with."""
    smtp_ca_file: Path | None = None
    """Certificates to trust in place of the system's, for a mail server with one of its own."""
    smtp_timeout_seconds: float = Field(20, gt=0, le=100)
    """How long each step of talking to the mail server may take."""
    verify_email: bool = True
    """Whether an address is verified by mail before there is an account with credits. `stemwright up` does without
    where it has no mail server; production never."""
    mail_folder: Path | None = None
    """Folder for mails where there is no mail server; `mail` in STEMWRIGHT_HOME where empty. `stemwright mail` shows
    them."""

    welcome_credits: int = Field(600, ge=0, le=1_000_000_000)
    """Credits of a new account; one is a second of music."""
    welcome_credits_days: int | None = Field(None, ge=1, le=3650)
    """Days after which they expire, as far as they are not spent. Not set: they stay."""
    default_plan: str = Field("free", min_length=1, max_length=40)
    """Plan of a new account."""
    previews_per_day: dict[str, int] = {"free": 30}  # noqa: RUF012 - settings are frozen
    """Free previews a day (UTC) by plan, as JSON; a plan that is not named has those of the default plan."""
    hold_hours: float = Field(48, gt=0)
    """Hours after which credits held for a job that never ended are given back; longer than a job may take."""
    sweep_seconds: float = Field(30, gt=0)
    """Seconds between two looks for such holds."""
    api_keys_max: int = Field(50, ge=1)
    """API keys that one account may have."""
    security_events_days: int = Field(365, ge=1, le=3650)
    """Days that security events are kept: what accounts see of themselves, and admins in the audit log."""
    payment_provider: Literal["none", "sandbox", "stripe"] = "none"
    """Who takes the money: `none` sells nothing, `sandbox` is a page on which a tester decides what becomes of a
    checkout (never in production), `stripe` needs the extra `stripe` and the two secrets below."""
    stripe_secret_key: SecretStr | None = None
    """Stripe's secret key, or a restricted one (`docs/billing.md` says for what)."""
    stripe_webhook_secret: SecretStr | None = None
    """The signing secret of the webhook at Stripe, `whsec_...`."""
    stripe_webhook_tolerance_seconds: int = Field(300, ge=10, le=3600)
    """How old a webhook may be: an older one may have been recorded by somebody."""
    stripe_api_url: str = Field("https://api.stripe.com", pattern=r"^https?://[^\s/]+$")
    """Where Stripe answers."""
    stripe_automatic_tax: bool = False
    """Stripe Tax computes the tax of each checkout."""
    stripe_tax_ids: bool = False
    """Businesses may give their tax number at the checkout."""
    stripe_invoices: bool = False
    """Stripe makes an invoice of each pack, too."""
    grace_days: int = Field(7, ge=0, le=60)
    """Days that a plan counts after its renewal was not paid."""
    checkout_minutes: int = Field(60, ge=35, le=1440)
    """How long a checkout may be paid."""
    open_checkouts_max: int = Field(20, ge=1)
    """Checkouts that one account may have open."""
    checkout_poll_seconds: float = Field(60, gt=0)
    """Seconds after which the provider is asked again about an open checkout of which it has told nothing."""
    seller_name: str = Field("Stemwright", min_length=1, max_length=80)
    """Who sells, on receipts."""
    seller_address: str = Field("", max_length=500)
    """The seller's address on receipts; `|` begins a new line."""
    seller_tax_id: str = Field("", max_length=40)
    """The seller's tax number on receipts."""
    tax_name: str = Field("VAT", min_length=1, max_length=40)
    """What receipts call the tax."""
    tax_percent: Decimal = Field(Decimal(0), ge=0, lt=100, decimal_places=3)
    """The tax that prices contain, for receipts, where the provider computes none."""
    receipt_font: Path | None = None
    """A TrueType font for receipts; the one on board has western and central European letters."""

    @field_validator("mail_from")
    @classmethod
    def _sender(cls, text: str) -> str:
        from email.headerregistry import Address
        from email.utils import parseaddr

        try:
            name, address = parseaddr(text)
            domain = Address(name, addr_spec=address).domain
        except Exception:  # noqa: BLE001 - the parser raises what it likes
            domain = ""
        if not domain or not text.isprintable():
            raise ValueError("is no address such as Stemwright <stemwright@example.com>")
        return text

    @model_validator(mode="after")
    def _stripe_has_its_secrets(self) -> "Settings":
        if self.payment_provider == "stripe" and not (self.stripe_secret_key and self.stripe_webhook_secret):
            raise ValueError(
                "STEMWRIGHT_ACCOUNTS_STRIPE_SECRET_KEY and STEMWRIGHT_ACCOUNTS_STRIPE_WEBHOOK_SECRET are needed"
            )
        return self

    @model_validator(mode="after")
    def _nothing_for_free_in_production(self) -> "Settings":
        if self.environment == "production" and self.payment_provider == "sandbox":
            raise ValueError("STEMWRIGHT_ACCOUNTS_PAYMENT_PROVIDER must not be sandbox in production")
        return self

    @model_validator(mode="after")
    def _complete(self) -> "Settings":
        if self.environment == "production" and self.signing_key_file is None:
            raise ValueError("STEMWRIGHT_ACCOUNTS_SIGNING_KEY_FILE is needed in production")
        if self.environment == "production" and self.password_memory_kib < MEMORY_KIB:
            raise ValueError(f"STEMWRIGHT_ACCOUNTS_PASSWORD_MEMORY_KIB must be at least {MEMORY_KIB} in production")
        if self.default_plan not in self.previews_per_day:
            raise ValueError("STEMWRIGHT_ACCOUNTS_PREVIEWS_PER_DAY must name the default plan")
        if any(number < 0 for number in self.previews_per_day.values()):
            raise ValueError("STEMWRIGHT_ACCOUNTS_PREVIEWS_PER_DAY must not be negative")
        return self

    @model_validator(mode="after")
    def _mails_arrive(self) -> "Settings":
        if self.environment == "production":
            if self.smtp_host is None:
                raise ValueError("STEMWRIGHT_ACCOUNTS_SMTP_HOST is needed in production")
            if not self.verify_email:
                raise ValueError("STEMWRIGHT_ACCOUNTS_VERIFY_EMAIL must be true in production")
            if self.smtp_security == "none" and self.smtp_host not in THIS_MACHINE:
                raise ValueError("STEMWRIGHT_ACCOUNTS_SMTP_SECURITY must be starttls or implicit in production")
            if "mail_from" not in self.model_fields_set:
                raise ValueError("STEMWRIGHT_ACCOUNTS_MAIL_FROM is needed in production")
            if not self.public_url.startswith("https://"):
                raise ValueError("STEMWRIGHT_ACCOUNTS_PUBLIC_URL must begin with https:// in production")
        if self.smtp_username is not None and self.smtp_security == "none" and self.smtp_host not in THIS_MACHINE:
            raise ValueError("STEMWRIGHT_ACCOUNTS_SMTP_PASSWORD is not sent without encryption")
        return self

    @property
    def hold_lifetime(self) -> timedelta:
        return timedelta(hours=self.hold_hours)

    @property
    def mail_folder_at_hand(self) -> Path:
        """Where mails lie that no mail server takes."""
        return self.mail_folder or home_folder() / "mail"
