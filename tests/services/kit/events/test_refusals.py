"""Why brokers do not let us in is told from what connections ended with, whichever Python and OpenSSL say it."""

import pytest
from kafka.errors import KafkaConnectionError

from services.kit.events.brokers import Brokers
from services.kit.events.refusals import CLOSED_OFTEN, why

CLOSED = (
    "socket disconnected",
    "Handshake failed: [Errno 104] Connection reset by peer",
    "[Errno 32] Broken pipe",
    # Python 3.11.7, 3.11.2 (Debian 12) and 3.13, each of the same broker that speaks no TLS.
    "Handshake failed: EOF occurred in violation of protocol (_ssl.c:1006)",
    "Handshake failed: TLS/SSL connection has been closed (EOF) (_ssl.c:992)",
    "Handshake failed: [SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol (_ssl.c:1020)",
)
WITH_TLS = Brokers("kafka:9093", security_protocol="SSL")


@pytest.mark.parametrize("said", CLOSED)
def test_a_broker_that_keeps_closing_refuses_us_for_a_reason_that_is_guessed(said: str) -> None:
    failures = [KafkaConnectionError(said)] * CLOSED_OFTEN
    told = why(failures, WITH_TLS)
    assert told is not None
    assert told.startswith("kafka:9093 closes our connections: it may expect")
    assert why(failures[:-1], WITH_TLS) is None, "one that starts may close a connection or two"


def test_a_broker_that_is_silent_refuses_nobody() -> None:
    assert why([KafkaConnectionError("Connection timed out")] * 99, WITH_TLS) is None
