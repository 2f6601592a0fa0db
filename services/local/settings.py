"""Settings of a platform on one machine; what is given for a part replaces that part."""

from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr, field_validator

from services.kit.settings import BROKERS, DEFAULT_HOME, HTTP_URL, VariableSettings, refuse_one_file_for_all

DEFAULT_GATEWAY_PORT = 8080
ANY_PORT = 0


def _named(name: str) -> AliasChoices:
    return AliasChoices(name)


class LocalSettings(VariableSettings):
    home: Path = DEFAULT_HOME
    """Folder for everything this platform keeps; several platforms run side by side in a home each."""

    gateway_host: str = "127.0.0.1"
    """Address of the public API."""
    gateway_port: int | None = Field(None, ge=ANY_PORT, le=65535)
    """8080, or a free port where something else has that; 0 is any free one; a port that is asked for is taken or the
    start fails."""

    workers: int = Field(1, ge=0, le=64)
    """Workers to start."""

    model: str = Field("spleeter-2stems", pattern=r"[^,\s]", validation_alias=_named("STEMWRIGHT_WORKER_MODEL"))
    """The models that the workers serve; several are separated by commas, and songs are for the first."""

    triton: bool = False
    """Workers ask a Triton server, another part, in place of running the network themselves."""

    canary: bool = False
    """Sends a short song of its own through every few minutes, billed to nobody; its metrics tell how that goes."""

    database_url: SecretStr | None = Field(None, validation_alias=_named("DATABASE_URL"))
    """A database elsewhere instead of a SQLite file per service; `{service}` stands for the service's name."""

    kafka_bootstrap_servers: str | None = Field(
        None, pattern=BROKERS, validation_alias=_named("KAFKA_BOOTSTRAP_SERVERS")
    )
    """An event log elsewhere instead of a broker of our own."""

    s3_endpoint_url: str | None = Field(None, pattern=HTTP_URL, validation_alias=_named("S3_ENDPOINT_URL"))
    """An object store elsewhere instead of one of our own; its keys and bucket are the other `S3_` settings."""

    s3_bucket: str = Field("stemwright", min_length=3, validation_alias=_named("S3_BUCKET"))

    _a_file_each = field_validator("database_url")(refuse_one_file_for_all)

    @field_validator("home")
    @classmethod
    def _as_a_shell_would(cls, home: Path) -> Path:
        """In a file of settings there is no shell that replaces the tilde."""
        return home.expanduser()

    @property
    def models(self) -> list[str]:
        """The names in `model`."""
        return [name.strip() for name in self.model.split(",") if name.strip()]
