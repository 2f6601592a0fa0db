"""The doctor at what services speak to besides each other: nothing is sent, and no secret is said."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.accounts.settings import Settings
from services.doctor.findings import Finding
from services.doctor.outside import collector, mail_server, proxy
from services.kit.settings import OutboundSettings
from services.local.sockets import LOOPBACK, free_port
from tests.certificates import make_certificate
from tests.services.accounts.mail import smtp


@contextmanager
def answering(status: int, asked: list[str]) -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer((LOOPBACK, 0), Answer) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        try:
            yield f"http://{LOOPBACK}:{server.server_port}"
        finally:
            server.shutdown()


def only(findings: Iterator[Finding]) -> Finding:
    [finding] = findings
    return finding


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def mails_by(port: int, **more: object) -> Settings:
    given = {"smtp_host": smtp.HOST, "smtp_port": port, "smtp_security": "starttls", **more}
    return Settings.model_validate(given)


def test_a_mail_server_greets_encrypts_and_lets_in_and_gets_no_mail(certificate: tuple[Path, Path]) -> None:
    who = {"smtp_username": smtp.USER, "smtp_password": smtp.PASSWORD, "smtp_ca_file": certificate[0]}
    with smtp.mail_server(certificate=certificate, asks_who=True) as (mailbox, port):
        well = only(mail_server(mails_by(port, **who)))
        stranger = only(mail_server(mails_by(port, **{**who, "smtp_password": "another secret"})))
        untrusted = only(mail_server(mails_by(port, **{**who, "smtp_ca_file": None})))
    assert (well.state, well.says) == (
        "ok",
        f"{smtp.HOST}:{port} greets, encrypts by STARTTLS, and lets accounts in",
    )
    assert (stranger.state, untrusted.state) == ("wrong", "wrong")
    assert "535" in stranger.says
    assert "SSLCertVerificationError" in untrusted.says
    assert "secret" not in f"{stranger}{untrusted}"
    assert mailbox.taken == []


def test_a_mail_server_without_what_is_set_or_that_is_away_is_wrong() -> None:
    with smtp.mail_server() as (_, port):
        assert "offers no STARTTLS" in only(mail_server(mails_by(port))).says
        assert only(mail_server(mails_by(port, smtp_security="none"))).state == "ok"
    away = only(mail_server(mails_by(free_port(LOOPBACK))))
    assert (away.state, "STEMWRIGHT_ACCOUNTS_SMTP_HOST" in away.advice) == ("wrong", True)
    assert list(mail_server(Settings(smtp_host=None))) == []


def test_a_collector_takes_traces_or_services_go_on_without() -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    asked: list[str] = []
    with answering(200, asked) as url:
        assert only(collector(url)).state == "ok"
    with answering(401, asked) as url:
        refused = only(collector(url))
    assert asked == ["/v1/traces"] * 2
    assert (refused.state, "401" in refused.says or "Unauthorized" in refused.says) == ("warning", True)


def test_a_collector_that_is_away_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    monkeypatch.setattr("services.doctor.outside.TIMEOUT_SECONDS", 0.1)
    assert only(collector(f"http://{LOOPBACK}:{free_port(LOOPBACK)}")).state == "warning"


@pytest.mark.parametrize(("status", "state"), [(502, "ok"), (403, "ok"), (407, "wrong"), (200, "warning")])
def test_a_proxy_answers_for_itself(status: int, state: str) -> None:
    asked: list[str] = []
    with answering(status, asked) as url:
        given = SecretStr(url.replace("//", "//user:a-password@"))
        finding = only(proxy("upload", OutboundSettings(outbound_proxy_url=given)))
    assert (finding.state, asked) == (state, ["http://doctor.invalid/"])
    assert "a-password" not in str(finding)


def test_a_proxy_that_is_away_is_wrong_and_none_is_no_fault() -> None:
    url = SecretStr(f"http://user:a-password@{LOOPBACK}:{free_port(LOOPBACK)}")
    finding = only(proxy("notifier", OutboundSettings(outbound_proxy_url=url)))
    assert finding.state == "wrong"
    assert "a-password" not in str(finding)
    assert list(proxy("notifier", OutboundSettings(outbound_proxy_url=None))) == []
