"""What services speak to besides each other: the mail server, the collector of traces, the proxy to the outside."""

import logging
from collections.abc import Iterator
from typing import Any

import httpx2

from services.accounts.mail.transports import MailDelayed, SmtpTransport, transport_of
from services.doctor.findings import Finding, ok, one_line, warning, wrong
from services.kit.settings import OutboundSettings
from services.kit.telemetry import exporter

TIMEOUT_SECONDS = 5.0
NOWHERE = "http://doctor.invalid/"
"""No name (RFC 6761): what a proxy says of it is its own word, and nothing outside is asked."""
PROXY_AUTHENTICATION_REQUIRED = 407


def mail_server(settings: Any) -> Iterator[Finding]:
    """Whether it greets, encrypts as it shall and lets accounts in. No mail is sent; a folder is none of its kind."""
    about = "mail server of accounts"
    patient = settings.smtp_timeout_seconds <= TIMEOUT_SECONDS
    quick = settings if patient else settings.model_copy(update={"smtp_timeout_seconds": TIMEOUT_SECONDS})
    where = f"{settings.smtp_host}:{settings.smtp_port}"
    try:
        transport = transport_of(quick)
        if not isinstance(transport, SmtpTransport):
            return
        transport.greet()
    except (MailDelayed, OSError) as error:
        yield wrong(
            about,
            f"{where}: {error}",
            "Look at STEMWRIGHT_ACCOUNTS_SMTP_HOST, _PORT and _SECURITY, and at _CA_FILE, _USERNAME and _PASSWORD.",
        )
    else:
        how = {"starttls": "encrypts by STARTTLS", "implicit": "encrypts", "none": "does not encrypt, as it is set"}
        signed_in = ", and lets accounts in" if settings.smtp_username is not None else ""
        yield ok(about, f"{where} greets, {how[settings.smtp_security]}{signed_in}")


def collector(endpoint: str) -> Iterator[Finding]:
    """Whether it takes traces, none in this case, with the headers and certificates that services send."""
    about = "collector of traces"
    setting = "Services go on without; start it, or correct OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS and _CERTIFICATE."
    try:
        sending = exporter(endpoint, timeout_seconds=TIMEOUT_SECONDS)
    except ModuleNotFoundError:
        yield wrong(about, "what sends to it is not installed", "Install the extra: pip install 'stemwright[otlp]'.")
        return
    except (OSError, ValueError) as error:
        yield wrong(about, error, setting)
        return
    with _last_words("opentelemetry.exporter") as words:
        taken = sending.export([])
    sending.shutdown()  # type: ignore[no-untyped-call]
    if taken.name == "SUCCESS":
        yield ok(about, f"{endpoint} takes them")
    else:
        yield warning(about, f"{endpoint} takes none: {words.said or 'it does not answer'}", setting)


def proxy(service: str, settings: OutboundSettings) -> Iterator[Finding]:
    """Whether a proxy answers there, where calls to the outside go through one. Nothing outside is asked for."""
    if settings.outbound_proxy_url is None:
        return
    about = f"proxy to the outside, for {service}"
    advice = "Start it, or correct STEMWRIGHT_OUTBOUND_PROXY_URL."
    try:
        with httpx2.Client(
            proxy=settings.outbound_proxy_url.get_secret_value(), timeout=TIMEOUT_SECONDS, trust_env=False
        ) as client:
            status = client.get(NOWHERE).status_code
    except httpx2.HTTPError as error:
        yield wrong(about, f"none answers: {one_line(error)}", advice)
    else:
        if status == PROXY_AUTHENTICATION_REQUIRED:
            yield wrong(about, "it asks for a name and a password, or takes neither of those given", advice)
        elif httpx2.codes.is_success(status):
            yield warning(about, f"what answers there answers {status} for a name that does not exist", advice)
        else:
            yield ok(about, "it answers")


class _last_words(logging.Handler):  # noqa: N801 - used as a function
    """What a library that raises nothing logs meanwhile, and nobody else is to read."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.said = ""
        self._logger = logging.getLogger(name)

    def emit(self, record: logging.LogRecord) -> None:
        self.said = one_line(record.getMessage())

    def __enter__(self) -> "_last_words":
        self._propagated, self._logger.propagate = self._logger.propagate, False
        self._logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)
        self._logger.propagate = self._propagated
