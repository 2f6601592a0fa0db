"""Mails reach a mail server, encrypted, and a folder; what each cannot take is told as what it is."""

from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.accounts.mail.rendering import Letter
from services.accounts.mail.transports import (
    FolderTransport,
    MailDelayed,
    MailRefused,
    SmtpTransport,
    Transport,
    message_of,
    transport_of,
)
from services.accounts.settings import Settings
from services.local.sockets import LOOPBACK, free_port
from tests.certificates import make_certificate
from tests.services.accounts.mail.smtp import HOST, PASSWORD, USER, mail_server

DATE = "Sun, 29 Nov 2026 12:00:00 +0000"
LETTER = Letter("A subject", "Text with ümlauts, and a line.\n", "<p>Text</p>")
Read = Callable[[], bytes]


def message(to: str = "ada@example.com", letter: Letter = LETTER) -> EmailMessage:
    return message_of("mail_1", "Stemwright <mail@stemwright.example>", to, letter, DATE)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(params=["folder", "starttls", "implicit", "none"])
def transport(
    request: pytest.FixtureRequest, tmp_path: Path, certificate: tuple[Path, Path]
) -> Iterator[tuple[Transport, Read]]:
    if request.param == "folder":
        yield (
            transport_of(Settings(mail_folder=tmp_path / "new" / "mail")),
            (tmp_path / "new" / "mail" / "mail_1.eml").read_bytes,
        )
        return
    encrypted = certificate if request.param != "none" else None
    with mail_server(certificate=encrypted, implicit=request.param == "implicit") as (mailbox, port):
        yield (
            transport_of(
                Settings(smtp_host=HOST, smtp_port=port, smtp_security=request.param, smtp_ca_file=certificate[0])
            ),
            lambda: mailbox.taken[0],
        )
        assert mailbox.were_encrypted == [request.param != "none"]


def test_a_mail_arrives_as_text_and_html(transport: tuple[Transport, Read]) -> None:
    sending, read = transport
    sending.send("mail_1", message())

    arrived: Any = message_from_bytes(read(), _class=EmailMessage, policy=default)
    assert arrived["To"] == "ada@example.com"
    assert arrived["From"] == "Stemwright <mail@stemwright.example>"
    assert arrived["Subject"] == "A subject"
    assert arrived["Message-ID"] == "<mail_1@stemwright.example>"
    assert arrived["Date"] == DATE
    assert arrived["Auto-Submitted"] == "auto-generated"
    assert arrived.get_body(("plain",)).get_content().replace("\r\n", "\n") == LETTER.text
    assert arrived.get_body(("html",)).get_content().strip() == LETTER.html


def test_who_sends_signs_in_over_an_encrypted_connection(certificate: tuple[Path, Path]) -> None:
    with mail_server(certificate=certificate, asks_who=True) as (mailbox, port):
        told = Settings(
            smtp_host=HOST,
            smtp_port=port,
            smtp_username=USER,
            smtp_password=SecretStr(PASSWORD),
            smtp_ca_file=certificate[0],
        )
        transport_of(told).send("mail_1", message())
        assert (mailbox.signed_in_as, len(mailbox.taken)) == ([USER], 1)

        wrong = told.model_copy(update={"smtp_password": SecretStr("another")})
        with pytest.raises(MailDelayed, match="SMTPAuthenticationError 535") as refused:
            transport_of(wrong).send("mail_1", message())
        assert "another" not in str(refused.value)
        assert len(mailbox.taken) == 1


def test_nothing_is_said_to_a_server_whose_certificate_nobody_vouches_for(certificate: tuple[Path, Path]) -> None:
    with mail_server(certificate=certificate) as (mailbox, port):
        with pytest.raises(MailDelayed, match="SSLCertVerificationError"):
            transport_of(Settings(smtp_host=HOST, smtp_port=port)).send("mail_1", message())
        assert mailbox.taken == []


def test_nothing_is_said_in_the_clear_to_a_server_that_offers_no_encryption() -> None:
    with mail_server() as (mailbox, port):
        with pytest.raises(MailDelayed, match="STARTTLS"):
            transport_of(Settings(smtp_host=HOST, smtp_port=port)).send("mail_1", message())
        assert mailbox.taken == []


@pytest.mark.parametrize(
    ("answer", "error"), [("550 no such user ada@example.com", MailRefused), ("450 come again", MailDelayed)]
)
def test_a_mailbox_that_is_not_there_is_told_from_one_that_is_busy(answer: str, error: type[Exception]) -> None:
    with mail_server() as (mailbox, port):
        mailbox.answers["ada@example.com"] = answer
        sending = transport_of(Settings(smtp_host=HOST, smtp_port=port, smtp_security="none"))
        with pytest.raises(error) as told:
            sending.send("mail_1", message())
        assert "ada" not in str(told.value), "addresses do not belong into logs"


def test_an_address_that_the_server_cannot_spell_is_refused_for_good() -> None:
    with mail_server() as (_, port):
        sending = transport_of(Settings(smtp_host=HOST, smtp_port=port, smtp_security="none"))
        with pytest.raises(MailRefused):
            sending.send("mail_1", message("dörte@example.com"))


def test_a_domain_in_another_script_goes_out_in_its_own_rules_of_2008() -> None:
    assert message("ada@straße.example")["To"] == "ada@xn--strae-oqa.example"


def test_a_server_that_is_away_delays() -> None:
    sending = transport_of(Settings(smtp_host=HOST, smtp_port=free_port(LOOPBACK), smtp_security="none"))
    with pytest.raises(MailDelayed, match="ConnectionRefusedError"):
        sending.send("mail_1", message())


def test_a_folder_that_cannot_be_written_to_delays(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("a file in its place")
    with pytest.raises(MailDelayed):
        FolderTransport(tmp_path / "mail").send("mail_1", message())


def test_mails_in_a_folder_are_their_owners_alone(tmp_path: Path) -> None:
    FolderTransport(tmp_path / "mail").send("mail_1", message())

    [file] = (tmp_path / "mail").iterdir()
    assert ((tmp_path / "mail").stat().st_mode & 0o077, file.stat().st_mode & 0o077) == (0, 0)


def test_the_password_of_the_mail_server_is_not_shown() -> None:
    made = transport_of(Settings(smtp_host=HOST, smtp_username=USER, smtp_password=SecretStr(PASSWORD)))
    assert isinstance(made, SmtpTransport)
    assert PASSWORD not in repr(vars(made))


def test_a_subject_of_somebodys_choice_forges_no_header() -> None:
    with pytest.raises(ValueError, match=r"linefeed|newline|header"):
        message(letter=Letter("Hello\r\nBcc: everybody@example.com", "text", "<p>"))
