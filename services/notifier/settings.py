"""Settings of the notifier; each is read from `STEMWRIGHT_NOTIFIER_<FIELD>`."""

from datetime import timedelta
from typing import Self

from pydantic import Field, SecretStr, model_validator

from services.kit.settings import (
    BROKERS,
    DEVELOPMENT_SECRET,
    ConsumerGroupSettings,
    DatabaseSettings,
    OutboundSettings,
    ServiceSettings,
    TokenVerifierSettings,
    service_config,
)


class Settings(ServiceSettings, DatabaseSettings, ConsumerGroupSettings, TokenVerifierSettings, OutboundSettings):
    """How long events are kept, how many readers may wait for one, and how webhooks are sent."""

    model_config = service_config("notifier")

    events_kept_days: int = Field(30, ge=1, le=365)
    """Days that events stay in the feed."""
    max_waiting_readers: int = Field(128, ge=0)
    """Readers of the feed that may wait for an event at the same time; more get their answer at once."""
    max_waiting_readers_per_account: int = Field(4, ge=0)
    """The same, of one account."""
    feed_poll_seconds: float = Field(1.0, gt=0)
    """How often a waiting reader looks for events that another process has recorded."""

    sealing_key: SecretStr = SecretStr(DEVELOPMENT_SECRET)
    """What the secrets of webhook endpoints are encrypted with: 32 or more random characters. Several, separated by
    commas, while it is rotated: the first encrypts, all decrypt."""
    endpoints_max: int = Field(20, ge=1)
    """Webhook endpoints that one account may have."""
    webhooks_at_once: int = Field(256, ge=2)
    """Webhooks that this process sends at the same time; half of them at most to endpoints that fail, and half of
    either to those of one account."""
    webhooks_at_once_per_endpoint: int = Field(4, ge=1)
    """The same, to one endpoint; to one that fails it is one."""
    webhook_timeout_seconds: float = Field(15.0, gt=0, le=60)
    """How long an endpoint has for its whole answer."""
    webhook_poll_seconds: float = Field(1.0, gt=0)
    """How often due webhooks are looked for that another process has put in."""
    webhook_patience_days: float = Field(5.0, gt=0)
    """Days without a success after which an endpoint is disabled."""

    partner_topics: bool = False
    """Whether partners may have a Kafka topic of their own. The notifier needs rights to create and delete topics under
    `partners.`, to write to them, and to alter the cluster (users and access lists)."""
    partner_bootstrap_servers: str | None = Field(None, pattern=BROKERS)
    """Brokers as partners reach them, where that is not KAFKA_BOOTSTRAP_SERVERS."""

    @model_validator(mode="after")
    def _no_development_secret_in_production(self) -> Self:
        if self.environment == "production" and min(len(key) for key in self.sealing_keys) < 32:
            raise ValueError("STEMWRIGHT_NOTIFIER_SEALING_KEY must have 32 or more characters in production")
        return self

    @property
    def sealing_keys(self) -> list[str]:
        return [key.strip() for key in self.sealing_key.get_secret_value().split(",")]

    @property
    def webhook_patience(self) -> timedelta:
        return timedelta(days=self.webhook_patience_days)

    @property
    def webhook_lease(self) -> timedelta:
        """How long a process has for a webhook that it took: its try, and the noting of what came of it."""
        return timedelta(seconds=2 * self.webhook_timeout_seconds + 30)

    @property
    def events_kept(self) -> timedelta:
        return timedelta(days=self.events_kept_days)
