"""Typed settings, read from the environment.

A service's `Settings` is made of the groups that it uses: what has no object store needs no secret of one. The parts
that operators know carry their usual names (`DATABASE_URL`, `KAFKA_BOOTSTRAP_SERVERS`, `S3_ENDPOINT_URL`); everything
of ours starts with `STEMWRIGHT_`. `deploy/settings.env` lists every setting with its default.
"""

import os
import re
import sys
from pathlib import Path
from typing import Literal, Self, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import AliasChoices, Field, FilePath, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from services.kit.settings_errors import complaints
from services.kit.validation import form

EX_CONFIG = 78
"""Exit status for a configuration error (sysexits.h)."""

DEFAULT_HOME = Path(".stemwright")

DEVELOPMENT_SECRET = "development-only"  # noqa: S105 - a value that production refuses

HTTP_URL = form(r"^($|https?://[^\s/]+(/\S*)?$)", "must be a URL that begins with http:// or https://")
_BROKER = r"\s*(\[[0-9A-Fa-f:.]+\]|[^\s,:/\[\]]+):[0-9]{1,5}\s*"
BROKERS = form(rf"^{_BROKER}(,{_BROKER})*$", "must be host:port, several separated by commas")
PREFIX = form(r"^[A-Za-z0-9._-]{0,60}$", "must be at most 60 of letters, digits, dots, dashes and underlines")

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]

_DATABASES = frozenset({"sqlite", "postgres", "postgresql", "postgresql+psycopg"})
KNOWN_PASSWORDS = frozenset(
    {
        *("", "admin", "changeit", "changeme", "database", "db", "default", "demo", "dev", "example", "guest"),
        *("pass", "password", "passw0rd", "pg", "pgsql", "postgres", "postgresql", "root", "secret", "stemwright"),
        *("test", "user", "123456", "12345678", DEVELOPMENT_SECRET),
    }
)
"""What examples and images come with. Compared without regard to case."""


def has_known_password(url: str) -> bool:
    """Whether a PostgreSQL URL lets in who merely guesses: no password at all, its own user's name, or a known one.

    A password may come by the ways that libpq has besides; a file of passwords or a certificate is trusted.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if "passfile" in options or "sslcert" in options:
        return False
    given = options.get("password", unquote(parts.password or "")) or os.environ.get("PGPASSWORD", "")
    if not given and "PGPASSFILE" in os.environ:
        return False
    names = {unquote(parts.username or "").lower(), parts.path.removeprefix("/").lower()}
    return given.lower() in KNOWN_PASSWORDS | names


def service_config(service: str) -> SettingsConfigDict:
    """Configuration under which a service's own fields are read from `STEMWRIGHT_<SERVICE>_<FIELD>`.

    What is set to nothing is not set: files of settings are full of such lines.
    """
    prefix = f"STEMWRIGHT_{service.upper()}_"
    return SettingsConfigDict(env_prefix=prefix, extra="ignore", frozen=True, env_ignore_empty=True)


def _named(name: str) -> AliasChoices:
    return AliasChoices(name)


def home_folder() -> Path:
    """Where a platform on one machine keeps everything: `STEMWRIGHT_HOME`, else `.stemwright` in the folder at hand."""
    return Path(os.environ.get("STEMWRIGHT_HOME") or DEFAULT_HOME).expanduser()


_OF_URLS = {ord(character): f"%{ord(character):02X}" for character in "%?#{}"}
"""What means something in a URL, or in one of ours; other characters stay, so that people recognise their folders."""
SERVICE = "{service}"
"""What stands for a service's name in a URL of databases."""


def sqlite_url(folder: Path) -> str:
    """The URL of a database file per service in `folder`, whatever the folder's name has in it."""
    return f"sqlite:///{str(folder).translate(_OF_URLS)}/{SERVICE}.db"


def refuse_one_file_for_all(url: SecretStr | None) -> SecretStr | None:
    """A URL of databases, for who works on those of several services; each has a schema of its own there.

    Raises:
        ValueError: it is of a single file of SQLite.
    """
    told = url.get_secret_value() if url is not None else ""
    if told.startswith("sqlite") and SERVICE not in told:
        raise ValueError("must have {service} in the name of its file, such as sqlite:////srv/stemwright/{service}.db")
    return url


def _database_in(home: Path) -> str:
    return sqlite_url(home / "data")


class VariableSettings(BaseSettings):
    """Each field is read from its one variable, and from nothing else.

    Code gives fields by their own names. Pydantic would then read those in the environment as well, with the prefix
    before them: `STEMWRIGHT_UPLOAD_LOG_LEVEL`, which nobody has written down.
    """

    model_config = SettingsConfigDict(
        env_prefix="STEMWRIGHT_", extra="ignore", frozen=True, populate_by_name=True, env_ignore_empty=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        env_settings.config = {**env_settings.config, "populate_by_name": False}
        return init_settings, env_settings


class EnvironmentSettings(VariableSettings):
    """What every other group of settings rests on."""

    environment: Literal["development", "production"] = Field(
        "development", validation_alias=_named("STEMWRIGHT_ENVIRONMENT")
    )
    """`development` or `production`; production refuses to start with development secrets."""
    one_machine: bool = Field(False, validation_alias=_named("STEMWRIGHT_ONE_MACHINE"))
    """Promises that every part runs on one machine, as `stemwright up` sees to: production then takes what is good
    enough there, such as SQLite."""


TASK_STOP_SECONDS = 10
"""What background tasks get to end when requests have ended."""


class ServiceSettings(EnvironmentSettings):
    """Of a process that serves HTTP: its logs, where it listens, how it stops."""

    log_format: Literal["json", "console"] = Field("json", validation_alias=_named("STEMWRIGHT_LOG_FORMAT"))
    """`json` for machines, `console` for people."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", validation_alias=_named("STEMWRIGHT_LOG_LEVEL")
    )
    """DEBUG, INFO, WARNING or ERROR."""

    otlp_endpoint: str | None = Field(None, pattern=HTTP_URL, validation_alias=_named("OTEL_EXPORTER_OTLP_ENDPOINT"))
    """OpenTelemetry collector that gets the traces, by OTLP over HTTP, such as `http://collector:4318`; empty: none.
    Needs the extra `otlp`."""

    host: str = Field("127.0.0.1", validation_alias=_named("STEMWRIGHT_HOST"))
    """Address to listen on; `0.0.0.0` is every IPv4 address of the machine, `::` every one of IPv6 and IPv4."""
    port: int = Field(0, ge=0, le=65535, validation_alias=_named("STEMWRIGHT_PORT"))
    """Port to listen on; 0 takes a free one."""
    listen_fd: int | None = Field(None, validation_alias=_named("LISTEN_FD"))
    """An inherited listening socket; wins over host and port."""
    admin_port: int = Field(0, ge=0, le=65535, validation_alias=_named("STEMWRIGHT_ADMIN_PORT"))
    """Port, on the same address, for `/healthz`, `/readyz` and `/metrics`, which whoever reaches it may read; the
    service's own port then has none of them. 0: they are on the service's own port, but for the gateway's metrics."""
    drain_seconds: float = Field(0.0, ge=0, le=600, validation_alias=_named("STEMWRIGHT_DRAIN_SECONDS"))
    """How long after SIGTERM a service that is not ready any more still takes requests: what a load balancer needs to
    hear of it. Of the worker, which has no clients, it is 0."""
    shutdown_grace_seconds: int = Field(20, ge=1, validation_alias=_named("STEMWRIGHT_SHUTDOWN_GRACE_SECONDS"))
    """How long requests under way may take when `drain_seconds` have passed."""

    @property
    def stop_seconds(self) -> float:
        """The longest from SIGTERM to the end of the process: whoever sends it waits so long before SIGKILL."""
        return self.drain_seconds + self.shutdown_grace_seconds + TASK_STOP_SECONDS


class DatabaseSettings(EnvironmentSettings):
    """Of what keeps rows of its own."""

    database_url: SecretStr = Field(
        default_factory=lambda: SecretStr(_database_in(home_folder())),
        examples=[_database_in(DEFAULT_HOME)],
        validation_alias=_named("DATABASE_URL"),
    )
    """`{service}` stands for the service's name. On PostgreSQL each service lives in a schema of its name. A password
    that everybody knows is refused in production. Where none is given it is a file per service in STEMWRIGHT_HOME."""

    database_pool_size: int = Field(12, ge=2, le=500, validation_alias=_named("STEMWRIGHT_DATABASE_POOL_SIZE"))
    """Connections to PostgreSQL that one process may have. All processes together have to stay below the server's
    `max_connections`; one of them is the outbox's."""
    database_pooled: bool = Field(False, validation_alias=_named("STEMWRIGHT_DATABASE_POOLED"))
    """DATABASE_URL leads to PgBouncer in transaction mode (`pool_mode = transaction`)."""

    @field_validator("database_url")
    @classmethod
    def _url_of_a_database(cls, url: SecretStr) -> SecretStr:
        # The driver's own complaint would repeat the password.
        try:
            parts = urlsplit(url.get_secret_value())
            known = parts.scheme in _DATABASES and (parts.port or True)
        except ValueError:
            known = False
        if not known:
            raise ValueError("is no URL of SQLite or PostgreSQL")
        return url

    @model_validator(mode="after")
    def _no_known_password_in_production(self) -> Self:
        url = self.database_url.get_secret_value()
        if self.environment != "production":
            return self
        if "database_url" not in self.model_fields_set:
            raise ValueError("DATABASE_URL is needed in production")
        if url.startswith("sqlite") and not self.one_machine:
            raise ValueError("DATABASE_URL must be of PostgreSQL in production")
        if not url.startswith("sqlite") and has_known_password(url):
            raise ValueError("DATABASE_URL has no password, or one that everybody knows")
        return self


class EveryDatabaseSettings(DatabaseSettings):
    """Of what works on the databases of all services."""

    _a_file_each = field_validator("database_url")(refuse_one_file_for_all)


class TopicSettings(EnvironmentSettings):
    """Of what may make topics."""

    kafka_make_topics: bool = Field(True, validation_alias=_named("STEMWRIGHT_KAFKA_MAKE_TOPICS"))
    """Whether services make their topics themselves. On a cluster false: then `stemwright migrate` makes them, and
    services say which of theirs are missing."""


class KafkaSettings(TopicSettings):
    """Of what writes or reads events."""

    kafka_bootstrap_servers: str = Field(
        "127.0.0.1:9092", pattern=BROKERS, validation_alias=_named("KAFKA_BOOTSTRAP_SERVERS")
    )
    """Brokers, `host:port`, separated by commas."""
    kafka_security_protocol: SecurityProtocol = Field(
        "PLAINTEXT", validation_alias=_named("STEMWRIGHT_KAFKA_SECURITY_PROTOCOL")
    )
    """PLAINTEXT, SSL (TLS), SASL_PLAINTEXT or SASL_SSL."""
    kafka_allow_plaintext: bool = Field(False, validation_alias=_named("STEMWRIGHT_KAFKA_ALLOW_PLAINTEXT"))
    """Production refuses an event log without TLS, unless this says that nobody else is on the way there."""
    kafka_ca_file: FilePath | None = Field(None, validation_alias=_named("STEMWRIGHT_KAFKA_CA_FILE"))
    """Certificates (PEM) of the authorities that sign for the brokers; empty: those that the system trusts."""
    kafka_certificate_file: FilePath | None = Field(None, validation_alias=_named("STEMWRIGHT_KAFKA_CERTIFICATE_FILE"))
    """Certificate (PEM) by which clients show who they are; empty: none."""
    kafka_certificate_key_file: FilePath | None = Field(
        None, validation_alias=_named("STEMWRIGHT_KAFKA_CERTIFICATE_KEY_FILE")
    )
    """Its key (PEM)."""
    kafka_sasl_mechanism: SaslMechanism | None = Field(None, validation_alias=_named("STEMWRIGHT_KAFKA_SASL_MECHANISM"))
    """PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER; with SASL_PLAINTEXT and SASL_SSL."""
    kafka_sasl_username: str = Field("", validation_alias=_named("STEMWRIGHT_KAFKA_SASL_USERNAME"))
    """Who signs in; with OAUTHBEARER the client id."""
    kafka_sasl_password: SecretStr = Field(SecretStr(""), validation_alias=_named("STEMWRIGHT_KAFKA_SASL_PASSWORD"))
    """The password; with OAUTHBEARER the client's secret."""
    kafka_oauth_token_url: str | None = Field(
        None, pattern=HTTP_URL, validation_alias=_named("STEMWRIGHT_KAFKA_OAUTH_TOKEN_URL")
    )
    """Where OAUTHBEARER's tokens come from (client credentials)."""
    kafka_prefix: str = Field("", pattern=PREFIX, validation_alias=_named("STEMWRIGHT_KAFKA_PREFIX"))
    """Before the name of every topic and group, such as `stemwright.`, where others use the same brokers."""
    kafka_replication_factor: int = Field(
        1, ge=1, le=32767, validation_alias=_named("STEMWRIGHT_KAFKA_REPLICATION_FACTOR")
    )
    """Brokers that keep each record of a topic that we make."""
    kafka_min_insync_replicas: int = Field(1, ge=1, validation_alias=_named("STEMWRIGHT_KAFKA_MIN_INSYNC_REPLICAS"))
    """How many of them must have a record before it counts as written."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.kafka_security_protocol.startswith("SASL_"):
            needed = {
                "STEMWRIGHT_KAFKA_SASL_MECHANISM": self.kafka_sasl_mechanism,
                "STEMWRIGHT_KAFKA_SASL_USERNAME": self.kafka_sasl_username,
                "STEMWRIGHT_KAFKA_SASL_PASSWORD": self.kafka_sasl_password.get_secret_value(),
            }
            if self.kafka_sasl_mechanism == "OAUTHBEARER":
                needed["STEMWRIGHT_KAFKA_OAUTH_TOKEN_URL"] = self.kafka_oauth_token_url
            missing = [name for name, value in needed.items() if not value]
            if missing:
                raise ValueError(f"{self.kafka_security_protocol} needs {' and '.join(missing)}")
        elif self.kafka_sasl_mechanism is not None:
            raise ValueError("STEMWRIGHT_KAFKA_SASL_MECHANISM needs STEMWRIGHT_KAFKA_SECURITY_PROTOCOL=SASL_SSL")
        if (self.kafka_certificate_file is None) != (self.kafka_certificate_key_file is None):
            raise ValueError(
                "STEMWRIGHT_KAFKA_CERTIFICATE_FILE and STEMWRIGHT_KAFKA_CERTIFICATE_KEY_FILE are needed together"
            )
        if self.kafka_min_insync_replicas > self.kafka_replication_factor:
            raise ValueError(
                "STEMWRIGHT_KAFKA_MIN_INSYNC_REPLICAS must not be more than STEMWRIGHT_KAFKA_REPLICATION_FACTOR"
            )
        return self

    @model_validator(mode="after")
    def _encrypted_in_production(self) -> Self:
        plain = self.kafka_security_protocol in ("PLAINTEXT", "SASL_PLAINTEXT")
        if self.environment == "production" and plain and not self.kafka_allow_plaintext:
            raise ValueError(
                "STEMWRIGHT_KAFKA_SECURITY_PROTOCOL must be SSL or SASL_SSL in production, or "
                "STEMWRIGHT_KAFKA_ALLOW_PLAINTEXT true"
            )
        return self


class ConsumerGroupSettings(KafkaSettings):
    """Of what shares the partitions of its topics among its processes."""

    kafka_sole_consumers: bool = Field(False, validation_alias=_named("STEMWRIGHT_KAFKA_SOLE_CONSUMERS"))
    """Promises that one process of each service runs: it then reads every partition without the seconds that joining a
    group takes. On one machine only."""


class StorageSettings(EnvironmentSettings):
    """Of what keeps objects."""

    s3_endpoint_url: str | None = Field(None, pattern=HTTP_URL, validation_alias=_named("S3_ENDPOINT_URL"))
    """Where the object store answers; empty for AWS itself."""
    s3_public_endpoint_url: str | None = Field(
        None, pattern=HTTP_URL, validation_alias=_named("S3_PUBLIC_ENDPOINT_URL")
    )
    """What presigned URLs name, where clients reach the store under another address than services do."""
    s3_region: str = Field("us-east-1", validation_alias=_named("S3_REGION"))
    """Region that requests are signed for."""
    s3_bucket: str = Field("stemwright", min_length=3, validation_alias=_named("S3_BUCKET"))
    """The one bucket."""
    s3_make_bucket: bool = Field(True, validation_alias=_named("S3_MAKE_BUCKET"))
    """The upload service makes the bucket where it does not exist. False: `stemwright bucket apply` has made it, and no
    service needs a right to."""
    s3_access_key_id: str = Field("", validation_alias=_named("S3_ACCESS_KEY_ID"))
    """Key id of the object store. Empty: the SDK's own credentials, such as a role of the pod or the machine."""
    s3_secret_access_key: SecretStr = Field(SecretStr(""), validation_alias=_named("S3_SECRET_ACCESS_KEY"))
    """Secret key of the object store."""

    @model_validator(mode="after")
    def _key_and_its_secret(self) -> Self:
        secret = self.s3_secret_access_key.get_secret_value()
        if bool(secret) != bool(self.s3_access_key_id):
            raise ValueError("S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY are needed together, or neither")
        if self.environment == "production" and secret in KNOWN_PASSWORDS - {""}:
            raise ValueError("S3_SECRET_ACCESS_KEY has a value that everybody knows")
        return self


class TokenSettings(EnvironmentSettings):
    """Of what signs or verifies access tokens."""

    token_issuer: str = Field("stemwright", validation_alias=_named("STEMWRIGHT_TOKEN_ISSUER"))
    """Issuer that access tokens must name."""
    token_audience: str = Field("stemwright-api", validation_alias=_named("STEMWRIGHT_TOKEN_AUDIENCE"))
    """Audience that access tokens must name."""


class TokenVerifierSettings(TokenSettings):
    """Of what verifies tokens that accounts signed."""

    jwks_url: str = Field("http://127.0.0.1:8081/.well-known/jwks.json", validation_alias=_named("STEMWRIGHT_JWKS_URL"))
    """Where accounts publishes the public keys of access tokens."""


class OutboundSettings(EnvironmentSettings):
    """Of what calls addresses that somebody outside has named."""

    outbound_proxy_url: SecretStr | None = Field(None, validation_alias=_named("STEMWRIGHT_OUTBOUND_PROXY_URL"))
    """HTTP proxy that such calls go through, `http://host:port`; empty: none. It resolves their names, so it has to
    refuse what is not on the public internet."""
    outbound_allow_loopback: bool = Field(False, validation_alias=_named("STEMWRIGHT_OUTBOUND_ALLOW_LOOPBACK"))
    """For development: such addresses may name this machine, on any port and without TLS. Production refuses it."""

    @field_validator("outbound_proxy_url")
    @classmethod
    def _url_of_a_proxy(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and re.match(HTTP_URL, url.get_secret_value()) is None:
            raise ValueError("must be a URL that begins with http:// or https://")
        return url

    @model_validator(mode="after")
    def _no_loopback_in_production(self) -> Self:
        if self.environment == "production" and self.outbound_allow_loopback:
            raise ValueError("STEMWRIGHT_OUTBOUND_ALLOW_LOOPBACK must be false in production")
        return self


SHARED: dict[type[EnvironmentSettings], str] = {
    EnvironmentSettings: "Every process",
    ServiceSettings: "Logs, addresses and stopping",
    DatabaseSettings: "Databases",
    TopicSettings: "Topics of the event log",
    KafkaSettings: "Event log",
    ConsumerGroupSettings: "Consumer groups",
    StorageSettings: "Object store",
    TokenSettings: "Access tokens",
    TokenVerifierSettings: "Keys of access tokens",
    OutboundSettings: "Calls to addresses that others name",
}
"""Groups of settings that services share, and the headings under which `stemwright settings` tells them."""


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def load(settings_class: type[SettingsT]) -> SettingsT:
    """Settings from the environment; a mistake ends the process with one line per mistake and exit status 78."""
    try:
        return settings_class()
    except (ValidationError, SettingsError) as error:
        for complaint in complaints(error, settings_class):
            print(f"stemwright: {complaint}", file=sys.stderr)  # noqa: T201 - no logging yet
        raise SystemExit(EX_CONFIG) from None
