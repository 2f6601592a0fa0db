"""Settings of the accounts service."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field, model_validator

from services.kit.settings import KitSettings, service_config


class Settings(KitSettings):
    model_config = service_config("accounts")
    needs_database = True

    signing_key_file: Path | None = None
    """PEM file whose first Ed25519 private key signs access tokens; every key in it is published. Production needs it;
    in development it is made where it is missing, and without a file tokens are signed by a key that dies with the
    process."""
    access_token_seconds: int = Field(600, ge=30, le=3600)
    """How long an access token works. It cannot be revoked earlier: services verify it by themselves."""
    refresh_token_days: int = Field(30, ge=1, le=365)
    """Days after which a session that nobody uses ends."""
    session_days: int = Field(90, ge=1, le=3650)
    """Days after which a person signs in again in any case."""
    refresh_grace_seconds: int = Field(10, ge=0, le=120)
    """How long a refresh token that was just used may come again, because its answer may have been lost."""
    password_concurrency: int = Field(2, ge=1, le=64)
    """Password hashes made at once; each takes 19 MiB."""
    password_waiting_max: int = Field(16, ge=0, le=1000)
    """Requests that may wait for a password hash before others get 429. Each takes one of the server's 40 threads."""

    welcome_credits: int = Field(600, ge=0, le=1_000_000_000)
    """Credits of a new account; one is a second of music."""
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

    @model_validator(mode="after")
    def _complete(self) -> "Settings":
        if self.environment == "production" and self.signing_key_file is None:
            raise ValueError("STEMWRIGHT_ACCOUNTS_SIGNING_KEY_FILE is needed in production")
        if self.default_plan not in self.previews_per_day:
            raise ValueError("STEMWRIGHT_ACCOUNTS_PREVIEWS_PER_DAY must name the default plan")
        if any(number < 0 for number in self.previews_per_day.values()):
            raise ValueError("STEMWRIGHT_ACCOUNTS_PREVIEWS_PER_DAY must not be negative")
        return self

    @property
    def hold_lifetime(self) -> timedelta:
        return timedelta(hours=self.hold_hours)
