"""Where the event log is, how we get in, and how our topics are called and made there: one value for every client."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from pydantic import SecretStr

from services.kit.settings import KafkaSettings, SaslMechanism, SecurityProtocol

LOCAL_CLUSTER_ID = "stemwright"
"""How the id of the broker of one machine begins; whoever starts one gives it."""


@dataclass(frozen=True)
class Brokers:
    """A Kafka cluster as our clients see it. Knows no client library and connects to nothing."""

    addresses: str
    """`host:port`, separated by commas."""
    security_protocol: SecurityProtocol = "PLAINTEXT"
    ca_file: Path | None = None
    certificate_file: Path | None = None
    certificate_key_file: Path | None = None
    sasl_mechanism: SaslMechanism | None = None
    username: str = ""
    password: SecretStr = field(default_factory=lambda: SecretStr(""))
    token_url: str = ""
    prefix: str = ""
    """Before the name of each of our topics and groups."""
    makes_topics: bool = True
    """Clients make what is missing of their topics, instead of saying that it is missing."""
    replication_factor: int = 1
    min_insync_replicas: int = 1

    @classmethod
    def of(cls, settings: KafkaSettings) -> Self:
        """What the settings say."""
        return cls(
            settings.kafka_bootstrap_servers,
            security_protocol=settings.kafka_security_protocol,
            ca_file=settings.kafka_ca_file,
            certificate_file=settings.kafka_certificate_file,
            certificate_key_file=settings.kafka_certificate_key_file,
            sasl_mechanism=settings.kafka_sasl_mechanism,
            username=settings.kafka_sasl_username,
            password=settings.kafka_sasl_password,
            token_url=settings.kafka_oauth_token_url or "",
            prefix=settings.kafka_prefix,
            makes_topics=settings.kafka_make_topics,
            replication_factor=settings.kafka_replication_factor,
            min_insync_replicas=settings.kafka_min_insync_replicas,
        )

    @property
    def encrypted(self) -> bool:
        """Whether clients speak TLS."""
        return self.security_protocol in ("SSL", "SASL_SSL")

    @property
    def signs_in(self) -> bool:
        """Whether clients sign in by SASL."""
        return self.security_protocol.startswith("SASL_")

    def named(self, listed: str) -> str:
        """The name that a topic of the closed list, or a group of ours, has at these brokers."""
        return f"{self.prefix}{listed}"

    def listed(self, name: str) -> str:
        """The name in the closed list of a topic that these brokers call `name`."""
        return name.removeprefix(self.prefix)
