"""`stemwright mail` shows what lies in the folder."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.accounts.mail.cli import mail as command
from services.accounts.mail.rendering import Letter
from services.accounts.mail.transports import FolderTransport, message_of
from services.kit.ids import new_id
from tests.services.accounts.mail.smtp import HOST, mail_server

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("STEMWRIGHT_HOME", str(tmp_path))

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(command, arguments)

    return invoke


@pytest.fixture
def two_mails(tmp_path: Path) -> None:
    for name in ("first", "second"):
        mail_id = new_id("mail")
        letter = Letter(f"The {name}", f"Text of the {name}\n", f"<p>HTML of the {name}</p>")
        message = message_of(mail_id, "a@b.example", f"{name}@example.com", letter, "Sun, 29 Nov 2026 12:00:00 +0000")
        FolderTransport(tmp_path / "mail").send(mail_id, message)


@pytest.mark.usefixtures("two_mails")
def test_mails_are_listed_oldest_first(run: Run) -> None:
    lines = run().output.splitlines()

    assert [line.split()[0] for line in lines] == ["N", "1", "2"]
    assert "first@example.com" in lines[1]
    assert lines[2].endswith("The second")


@pytest.mark.usefixtures("two_mails")
def test_one_is_shown_and_by_default_the_newest(run: Run) -> None:
    first = run("show", "1").output

    assert "To: first@example.com\n" in first
    assert "Subject: The first\n" in first
    assert first.endswith("\n\nText of the first\n")
    assert "Text of the second" in run("show").output
    assert run("show", "2", "--html").output == "<p>HTML of the second</p>\n"


def test_without_any_mail_that_is_said(run: Run, tmp_path: Path) -> None:
    assert run().output == f"There is no mail in {tmp_path / 'mail'}.\n"
    assert run("show").exit_code == 1


@pytest.mark.usefixtures("two_mails")
@pytest.mark.parametrize("number", ["3", "0", "-1", "x"])
def test_a_number_that_is_none_of_the_list_is_told(run: Run, number: str) -> None:
    result = run("show", number)

    assert result.exit_code != 0
    assert "Traceback" not in result.output


def test_a_test_mail_goes_the_way_of_all_mails(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("test", "ada@example.com").exit_code == 0
    assert "ada@example.com" in run().output
    assert run("test", "nobody").exit_code == 2

    with mail_server() as (mailbox, port):
        for name, value in {"HOST": HOST, "PORT": str(port), "SECURITY": "none"}.items():
            monkeypatch.setenv(f"STEMWRIGHT_ACCOUNTS_SMTP_{name}", value)
        assert f"Taken by {HOST}" in run("test", "ada@example.com").output
        assert len(mailbox.taken) == 1
        mailbox.answers["ada@example.com"] = "550 no"
        assert "was not taken: 550" in run("test", "ada@example.com").output
