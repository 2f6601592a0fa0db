"""Mails are sent once their cause is committed, tried again, and given up in the end."""

import threading
from collections.abc import Callable
from email.message import EmailMessage

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import func, select

from services.accounts.mail.models import OutgoingMail
from services.accounts.mail.service import Composed, Composer, Mail, MailSender, PendingMail
from services.accounts.mail.transports import MailDelayed, MailRefused
from services.kit.database import Database
from tests.clocks import Clock
from tests.services.accounts.conftest import in_parallel


class Post:
    """A transport that keeps what it takes, and does what it is told instead."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.attempts = 0
        self.trouble: Exception | None = None
        self.arrived = threading.Event()

    def send(self, mail_id: str, message: EmailMessage) -> None:
        self.attempts += 1
        if self.trouble is not None:
            raise self.trouble
        assert mail_id in message["Message-ID"]
        self.taken.append(message)
        self.arrived.set()


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def mail() -> Mail:
    return Mail()


MakeSender = Callable[..., MailSender]


@pytest.fixture
def sender_with(database: Database, mail: Mail, post: Post) -> MakeSender:
    def make(**composers: Composer) -> MailSender:
        return MailSender(
            database, mail, post, sender="a@b.example", public_url="https://s.example", composers=composers
        )

    return make


def waiting(database: Database) -> int:
    with database.read() as session:
        return session.execute(select(func.count()).select_from(OutgoingMail)).scalar_one()


def add(database: Database, mail: Mail) -> str:
    with database.write() as session:
        return mail.add(session, "ada@example.com", "test")


def send_all(sender: MailSender) -> None:
    while sender.send_next():
        pass


def test_a_mail_is_sent_and_forgotten(database: Database, mail: Mail, post: Post, sender_with: MakeSender) -> None:
    add(database, mail)

    send_all(sender_with())

    assert [message["To"] for message in post.taken] == ["ada@example.com"]
    assert "https://s.example" in post.taken[0].as_string()
    assert waiting(database) == 0


def test_what_is_rolled_back_is_not_written(
    database: Database, mail: Mail, post: Post, sender_with: MakeSender
) -> None:
    with pytest.raises(RuntimeError), database.write() as session:
        mail.add(session, "ada@example.com", "test")
        raise RuntimeError

    send_all(sender_with())
    assert (post.attempts, mail.ready.is_set()) == (0, False)


def test_a_mail_of_no_template_is_a_mistake_of_whoever_adds_it(database: Database, mail: Mail) -> None:
    with pytest.raises(ValueError, match="no template"), database.write() as session:
        mail.add(session, "ada@example.com", "../secrets")


def test_a_mail_that_is_delayed_is_tried_again_ever_less_often_and_given_up_after_a_day(
    database: Database, mail: Mail, post: Post, sender_with: MakeSender, clock: Clock
) -> None:
    add(database, mail)
    begun, moments = clock.now, list[float]()
    post.trouble = MailDelayed("come again")
    sender = sender_with()
    while waiting(database):
        before = post.attempts
        send_all(sender)
        if post.attempts > before:
            moments.append((clock.now - begun).total_seconds() / 60)
        clock.advance(minutes=1 if len(moments) < 6 else 5)

    assert moments[:6] == [0, 2, 6, 14, 30, 62]
    assert 23 * 60 <= moments[-1] <= 24 * 60
    assert post.attempts == len(moments)


def test_a_mail_that_was_delayed_arrives_later(
    database: Database, mail: Mail, post: Post, sender_with: MakeSender, clock: Clock
) -> None:
    add(database, mail)
    post.trouble = MailDelayed("come again")
    send_all(sender_with())
    post.trouble = None
    send_all(sender_with())
    assert post.taken == [], "not at once"
    clock.advance(minutes=3)
    send_all(sender_with())

    assert (len(post.taken), waiting(database)) == (1, 0)


def test_a_mail_that_is_refused_is_not_tried_again(
    database: Database, mail: Mail, post: Post, sender_with: MakeSender
) -> None:
    add(database, mail)
    post.trouble = MailRefused("550")
    send_all(sender_with())

    assert (post.attempts, waiting(database)) == (1, 0)


def test_one_that_cannot_be_composed_keeps_no_other_waiting(
    database: Database, mail: Mail, post: Post, sender_with: MakeSender, clock: Clock
) -> None:
    bad = add(database, mail)
    clock.advance(seconds=1)
    good = add(database, mail)

    def composer(_session: object, pending: PendingMail) -> Composed:
        if pending.id == bad:
            raise KeyError("x")
        return Composed("bob@example.com", "test", {})

    sender = sender_with(test=composer)
    stop = threading.Event()
    thread = threading.Thread(target=sender.run, args=(stop,))
    thread.start()
    try:
        assert post.arrived.wait(60)
    finally:
        stop.set()
        mail.ready.set()
        thread.join()
    assert [(message["Message-ID"], message["To"]) for message in post.taken] == [
        (f"<{good}@b.example>", "bob@example.com")
    ]
    assert waiting(database) == 1


@pytest.mark.parametrize("wrong", ["composer", "transport"])
def test_one_that_cannot_be_composed_is_given_up_after_a_day(
    database: Database,
    mail: Mail,
    post: Post,
    sender_with: MakeSender,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    wrong: str,
) -> None:
    add(database, mail)
    post.trouble = ValueError("what ada@example.com is told")

    def composer(_session: object, _pending: PendingMail) -> Composed:
        if wrong == "composer":
            raise ValueError("what ada@example.com is told")
        return Composed("ada@example.com", "test", {})

    sender = sender_with(test=composer)
    given_up = REGISTRY.get_sample_value("stemwright_accounts_mails_total", {"outcome": "given_up"}) or 0
    for _ in range(25):
        send_all(sender)
        clock.advance(hours=1)

    assert waiting(database) == 0
    assert REGISTRY.get_sample_value("stemwright_accounts_mails_total", {"outcome": "given_up"}) == given_up + 1
    assert "is given up: ValueError at" in caplog.text
    assert "ada@example.com" not in caplog.text


def test_mails_to_accounts_go_before_those_that_strangers_ask_for_and_starve_nobody(
    database: Database, mail: Mail, post: Post, sender_with: MakeSender, clock: Clock
) -> None:
    with database.write() as session:
        for _ in range(6):
            mail.add(session, "stranger@example.com", "test", proved=False)
    clock.advance(seconds=1)
    for _ in range(6):
        add(database, mail)

    send_all(sender_with())

    a, s = "ada@example.com", "stranger@example.com"
    assert [message["To"] for message in post.taken] == [a, a, a, s, a, a, a, s, s, s, s, s]


def test_nothing_is_sent_where_its_composer_says_so(
    database: Database, mail: Mail, post: Post, sender_with: MakeSender
) -> None:
    add(database, mail)

    send_all(sender_with(test=lambda session, pending: None))

    assert (post.attempts, waiting(database)) == (0, 0)


def test_a_commit_wakes_the_task(database: Database, mail: Mail, post: Post, sender_with: MakeSender) -> None:
    sender = sender_with()
    sender._poll_seconds = 3600
    stop = threading.Event()
    thread = threading.Thread(target=sender.run, args=(stop,))
    thread.start()
    try:
        add(database, mail)
        assert post.arrived.wait(60)
    finally:
        stop.set()
        mail.ready.set()
        thread.join()


def test_two_processes_send_each_mail_once(database: Database, mail: Mail, post: Post, sender_with: MakeSender) -> None:
    for _ in range(8):
        add(database, mail)

    in_parallel([lambda: send_all(sender_with())] * 2)

    assert len({message["Message-ID"] for message in post.taken}) == len(post.taken) == 8
