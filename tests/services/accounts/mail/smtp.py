"""A mail server for tests, on a port of this machine, with a certificate of its own."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

USER, PASSWORD = "stemwright", "a password of the mail server"
HOST = "127.0.0.1"


@dataclass
class Mailbox:
    """What the server has taken; it refuses what its `answers` name, by recipient."""

    taken: list[bytes] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    were_encrypted: list[bool] = field(default_factory=list)
    signed_in_as: list[str] = field(default_factory=list)

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any) -> str:
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, _session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.taken.append(envelope.content)
        self.were_encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
        return "250 taken"

    def sign_in(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        if right:
            self.signed_in_as.append(data.login.decode())
        return AuthResult(success=right, handled=False)


@contextmanager
def mail_server(
    *, certificate: tuple[Path, Path] | None = None, implicit: bool = False, asks_who: bool = False
) -> Iterator[tuple[Mailbox, int]]:
    """The server and its port, while the block runs. With a certificate it takes mails over encryption only."""
    mailbox = Mailbox()
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    starttls = {"tls_context": context, "require_starttls": True} if context and not implicit else {}
    loop = asyncio.new_event_loop()

    def protocol() -> SMTP:
        return SMTP(
            mailbox,
            loop=loop,
            hostname=HOST,
            auth_required=asks_who,
            auth_require_tls=not implicit and context is not None,
            authenticator=mailbox.sign_in,
            **starttls,  # type: ignore[arg-type]
        )

    server = loop.run_until_complete(loop.create_server(protocol, HOST, 0, ssl=context if implicit else None))
    thread = threading.Thread(target=loop.run_forever, name="mail server")
    thread.start()
    try:
        yield mailbox, server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_hang_up(server), loop).result(timeout=60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _hang_up(server: asyncio.Server) -> None:
    server.close()
    talks = asyncio.all_tasks() - {asyncio.current_task()}
    for talk in talks:
        talk.cancel()
    await asyncio.gather(*talks, return_exceptions=True)
    await asyncio.sleep(0)  # closed connections leave
