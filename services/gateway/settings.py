"""Settings of the gateway. Rates are written as the library `limits` reads them, such as `600/minute`."""

from ipaddress import ip_network
from typing import Annotated, Self

from limits import parse
from pydantic import AfterValidator, BeforeValidator, Field, HttpUrl, SecretStr, model_validator
from pydantic_settings import NoDecode

from services.gateway.counters import IN_THIS_PROCESS, counter_storage
from services.kit.settings import KafkaSettings, ServiceSettings, TokenVerifierSettings, service_config
from services.kit.validation import MAX_BODY_BYTES, form


def _words(value: object) -> object:
    """`a, b` as an environment variable is the tuple of both."""
    return tuple(word for word in value.replace(",", " ").split()) if isinstance(value, str) else value


def _rate(value: str) -> str:
    parse(value)  # raises ValueError with a sentence
    return value


NO_PROXIES = ("none",)


def _proxies(words: tuple[str, ...]) -> tuple[str, ...]:
    """Misspelt ones would be taken for the name of a Unix socket, and match nobody. Raises ValueError."""
    if words != NO_PROXIES:
        for word in words:
            ip_network(word)
    return words


def _store(value: SecretStr) -> SecretStr:
    counter_storage(value.get_secret_value())
    return value


ORIGIN = form(
    r"^https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$",
    "must be scheme, host and port alone, such as https://songs.example.com",
)
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
Proxies = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words), AfterValidator(_proxies)]
Rate = Annotated[str, AfterValidator(_rate)]


class Settings(ServiceSettings, KafkaSettings, TokenVerifierSettings):
    model_config = service_config("gateway")

    port: int = Field(8080, ge=0, le=65535)
    """Port of the public API, instead of `STEMWRIGHT_PORT`: the one that people know."""

    accounts_url: HttpUrl = HttpUrl("http://127.0.0.1:8081")
    """Where the accounts service answers."""
    upload_url: HttpUrl = HttpUrl("http://127.0.0.1:8082")
    """Where the upload service answers."""
    orchestrator_url: HttpUrl = HttpUrl("http://127.0.0.1:8083")
    """Where the orchestrator answers."""
    notifier_url: HttpUrl = HttpUrl("http://127.0.0.1:8084")
    """Where the notifier answers."""
    object_store_url: HttpUrl | None = None
    """Where the object store answers, if clients are to reach it through the gateway, as on one machine: what services
    call the store's public address is then the gateway's. Empty: clients reach the store itself."""
    object_store_origin: str | None = Field(None, pattern=ORIGIN)
    """Scheme, host and port of `S3_PUBLIC_ENDPOINT_URL` where clients reach the store itself: the web app may send
    songs there. The bucket's CORS rules then have to allow PUT from the app's origin and to expose ETag."""
    object_store_bucket: str = Field("stemwright", min_length=3)
    """The one bucket of it that is reached through the gateway."""

    connect_timeout_seconds: float = Field(2.0, gt=0)
    """Longest wait for a connection to a service, a free one of the pool included."""
    response_timeout_seconds: float = Field(30.0, gt=0)
    """Longest silence of a service before its answer starts, or between two pieces of it."""
    slow_response_timeout_seconds: float = Field(300.0, gt=0)
    """The same where the service reads a whole song before it answers."""
    body_timeout_seconds: float = Field(30.0, gt=0)
    """Longest wait for the whole of a small body."""
    stall_timeout_seconds: float = Field(15.0, gt=0)
    """Longest silence of a client that sends a body, and longest standstill of one that reads an answer."""
    min_bytes_per_second: int = Field(4096, ge=1)
    """What a client has to send or to read in the long run; one that is slower loses its connection."""
    retry_delay_seconds: float = Field(0.25, ge=0)
    """Pause before the one repetition of a request that may be repeated."""
    upstream_connections: int = Field(200, ge=1)
    """Most connections to each service for calls, whose answers are small."""
    upstream_transfers: int = Field(256, ge=1)
    """Most connections to each service for songs and archives, which take as long as the client does."""

    max_connections: int = Field(4096, ge=1)
    """Connections that wait for a request, of all clients; the oldest of whoever has most go first."""
    idle_connections_per_address: int = Field(128, ge=1)
    """The same, of each client address. Trusted proxies are not counted one by one."""
    bodies_at_once: int = Field(256, ge=1)
    """Small bodies on their way in, of all clients; the oldest of whoever has most are given up first."""
    bodies_at_once_per_address: int = Field(32, ge=1)
    """The same, of each client address."""
    max_concurrent_requests: int = Field(1000, ge=1)
    """Requests that services work on; more are answered 503 at once. One counts when its body is here."""
    requests_at_once_per_account: int = Field(64, ge=1)
    """The same, of each account: more are answered 429."""
    requests_at_once_per_address: int = Field(128, ge=1)
    """The same, of each client address."""

    max_json_bytes: int = Field(MAX_BODY_BYTES, ge=1024, le=MAX_BODY_BYTES)
    """Largest body of a request, other than a song; services take no larger ones."""
    max_upload_bytes: int = Field(4 * 1024**3, ge=1)
    """Largest song in one request; the upload service has its own limit."""

    rate_limit_storage: Annotated[SecretStr, AfterValidator(_store)] = SecretStr(IN_THIS_PROCESS)
    """Where counters live: in this process, or in a Redis that several gateways share, `async+redis://host:6379/0`, or
    with TLS `async+rediss://user:password@host:6379/0`. Needs the extra `redis`."""
    account_rate: Rate = "1200/minute"
    """Requests of each account, whatever addresses they come from."""
    address_rate: Rate = "2400/minute"
    """Requests of each client address, whoever signs them."""
    auth_rate: Rate = "60/minute"
    """Of each client address on the routes that check passwords, send mail or make API keys."""
    uploads_at_once_per_account: int = Field(8, ge=1)
    """Songs that one account may be sending through this process at a time."""
    uploads_at_once_per_address: int = Field(32, ge=1)
    """The same, of each client address."""
    downloads_at_once_per_account: int = Field(16, ge=1)
    """Archives, waveforms and manifests that one account may be reading at a time."""
    downloads_at_once_per_address: int = Field(64, ge=1)
    """The same, of each client address."""
    streams_per_account: int = Field(50, ge=1)
    """Event streams that one account may hold open at this process."""
    streams_per_address: int = Field(500, ge=1)
    """The same, of each client address."""
    streams_in_all: int = Field(2000, ge=1)
    """Each takes about 80 KiB."""

    stream_poll_seconds: float = Field(3.0, gt=0)
    """How often an open event stream asks the orchestrator, in case the broker lost the news."""
    stream_polls_per_second: int = Field(100, ge=1)
    """Of all streams together: with many open, each asks less often."""
    stream_max_seconds: float = Field(3600.0, gt=0)
    """After this a stream is closed and the client resumes it."""

    api_key_cache_seconds: float = Field(60.0, ge=0, le=60)
    """How long the access token of an API key is kept before the key is exchanged anew."""
    revocations_fresh_seconds: float = Field(1.0, gt=0, le=4)
    """How old what is known of ended sessions and deleted keys may be: so much longer they still work."""
    revocations_outage_seconds: float = Field(60.0, ge=5, le=600)
    """How long callers are let in by what was known while the accounts service is away; after that they get 503."""
    credential_cache_entries: int = Field(10_000, ge=1)
    """Most that each cache of credentials holds (tokens, keys, refused keys); those unused longest go first."""

    trusted_proxies: Proxies = ()
    """Addresses or networks of the load balancers whose `X-Forwarded-For` names the client. Behind one that is not
    named here all clients share its address: its rates, its caps, its sign-ins per minute. Production, which ends TLS
    in front of the gateway, needs it; `none` says that there is none."""
    allowed_hosts: Words = ()
    """Host names that are answered; empty: all."""
    cors_origins: Words = ()
    """Origins of web pages, elsewhere, that may call this API; empty: none."""

    @property
    def proxies(self) -> tuple[str, ...]:
        """The `trusted_proxies` that there are."""
        return () if self.trusted_proxies == NO_PROXIES else self.trusted_proxies

    @model_validator(mode="after")
    def _proxies_are_named_in_production(self) -> Self:
        if self.environment == "production" and not self.trusted_proxies:
            raise ValueError("STEMWRIGHT_GATEWAY_TRUSTED_PROXIES is needed in production")
        return self
