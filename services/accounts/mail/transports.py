"""Where mails go: a mail server, or a folder on one machine."""

import os
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import parseaddr
from pathlib import Path
from typing import Literal, Protocol

from services.accounts.mail.rendering import Letter
from services.accounts.settings import Settings

Security = Literal["starttls", "implicit", "none"]


class MailRefused(Exception):
    """This mail will never be taken: there is no such mailbox."""


class MailDelayed(Exception):
    """It was not taken now and may be later."""


def transport_of(settings: Settings) -> "Transport":
    """The mail server that settings name, or else the folder."""
    if settings.smtp_host is None:
        return FolderTransport(settings.mail_folder_at_hand)
    password = settings.smtp_password
    return SmtpTransport(
        SmtpServer(
            host=settings.smtp_host,
            port=settings.smtp_port,
            security=settings.smtp_security,
            timeout_seconds=settings.smtp_timeout_seconds,
            username=settings.smtp_username,
            password=password.get_secret_value() if password else None,
            ca_file=settings.smtp_ca_file,
        )
    )


class Transport(Protocol):
    def send(self, mail_id: str, message: EmailMessage) -> None:
        """Hands the mail over; when it returns, others look after it. Blocks. Raises MailRefused or MailDelayed."""


def message_of(mail_id: str, sender: str, recipient: str, letter: Letter, date: str) -> EmailMessage:
    """The mail as it goes out (RFC 5322). Its Message-ID is the same however often it is sent."""
    local, _, domain = recipient.rpartition("@")
    message = EmailMessage(policy=SMTP if local.isascii() else SMTPUTF8)
    name, address = parseaddr(sender)
    message["From"] = Address(name, addr_spec=address)
    message["To"] = Address(username=local, domain=_ascii(domain))
    message["Subject"] = letter.subject
    message["Date"] = date
    message["Message-ID"] = f"<{mail_id}@{address.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: out-of-office programs do not answer
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message


def _ascii(domain: str) -> str:
    """In the form that every mail server understands (RFC 5891)."""
    import idna

    return domain if domain.isascii() else idna.encode(domain, uts46=True).decode()


class FolderTransport:
    """A file for each mail, readable by its owner only; `stemwright mail` shows them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, mail_id: str, message: EmailMessage) -> None:
        draft = self._folder / f".{mail_id}.{os.getpid()}"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(message.as_bytes())
            draft.replace(self._folder / f"{mail_id}.eml")
        except OSError as error:
            raise MailDelayed(f"{self._folder} cannot be written to: {error.strerror}") from error


@dataclass(frozen=True)
class SmtpServer:
    """Where a mail server is and how it is spoken to."""

    host: str
    port: int
    security: Security
    timeout_seconds: float
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    """Certificates that are trusted in place of the system's."""


class SmtpTransport:
    """A mail server, by SMTP (RFC 5321); a connection for each mail.

    With `starttls` (RFC 3207) or `implicit` (RFC 8314) nothing is said before the connection is encrypted and the
    server's certificate was checked.
    """

    def __init__(self, server: SmtpServer) -> None:
        self._server = server
        self._tls = None if server.security == "none" else ssl.create_default_context(cafile=server.ca_file)

    def send(self, mail_id: str, message: EmailMessage) -> None:  # noqa: ARG002 - it stands in the message
        try:
            with self._connection() as connection:
                connection.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            answers = list(error.recipients.values())
            raise _refusal([code for code, _ in answers], str(answers[0][0])) from None
        except smtplib.SMTPDataError as error:
            raise _refusal([error.smtp_code], str(error.smtp_code)) from None
        except smtplib.SMTPNotSupportedError:
            raise MailRefused("the server cannot send to addresses with such characters, or has no TLS") from None
        except (smtplib.SMTPException, OSError) as error:
            raise MailDelayed(_reason(error)) from None

    def greet(self) -> None:
        """All that precedes a mail: a greeting, encryption, signing in. Blocks. Raises MailDelayed."""
        try:
            with self._connection() as connection:
                connection.noop()
        except (smtplib.SMTPException, OSError) as error:
            raise MailDelayed(_reason(error)) from None

    @contextmanager
    def _connection(self) -> Iterator[smtplib.SMTP]:
        server = self._server
        made: smtplib.SMTP
        if server.security == "implicit":
            made = smtplib.SMTP_SSL(server.host, server.port, timeout=server.timeout_seconds, context=self._tls)
        else:
            made = smtplib.SMTP(server.host, server.port, timeout=server.timeout_seconds)
        with made as connection:
            if server.security == "starttls":
                try:
                    connection.starttls(context=self._tls)
                except smtplib.SMTPNotSupportedError:
                    raise MailDelayed("the server offers no STARTTLS") from None
            if server.username is not None:
                connection.login(server.username, server.password or "")
            yield connection


def _refusal(codes: list[int], reason: str) -> Exception:
    """5yz is for good, 4yz for now (RFC 5321 section 4.2.1)."""
    return MailRefused(reason) if all(code >= 500 for code in codes) else MailDelayed(reason)


def _reason(error: Exception) -> str:
    """What went wrong, without addresses and without what the server says of them."""
    code = getattr(error, "smtp_code", None)
    return (
        f"{type(error).__name__} {code}" if code else f"{type(error).__name__}: {getattr(error, 'strerror', '') or ''}"
    )
