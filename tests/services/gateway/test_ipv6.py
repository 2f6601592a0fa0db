"""Services that are reached by IPv6 alone."""

import asyncio

import pytest

from services.gateway.counters import counter_storage
from services.gateway.proxy import Outgoing, Service, read_whole
from services.gateway.settings import Settings
from services.kit.database import Database
from services.kit.settings import DatabaseSettings, KafkaSettings, StorageSettings, load
from tests.services.kit.test_serving import needs_ipv6


@needs_ipv6
def test_a_service_is_called_by_an_address_in_brackets_and_told_it() -> None:
    asked = b""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nhere")
        await writer.drain()
        writer.close()

    async def run() -> bytes:
        server = await asyncio.start_server(answer, "::1", 0)
        port = server.sockets[0].getsockname()[1]
        settings = Settings(accounts_url=f"http://[::1]:{port}")
        service = Service("accounts", str(settings.accounts_url), settings)
        try:
            async with server, service.request(Outgoing("GET", b"/healthz", [])) as response:
                assert f"host: [::1]:{port}".encode() in asked.lower()
                return await read_whole(response, 100)
        finally:
            await service.close()

    assert asyncio.run(run()) == b"here"


def test_settings_take_addresses_in_brackets() -> None:
    brokers = "[fd00::1]:9092, [fd00::2]:9092"
    assert KafkaSettings(kafka_bootstrap_servers=brokers).kafka_bootstrap_servers == brokers
    assert StorageSettings(s3_endpoint_url="http://[fd00::3]:9000").s3_endpoint_url == "http://[fd00::3]:9000"
    url = "postgresql://u:x@[fd00::4]:5432/stemwright"
    database = Database.from_settings(DatabaseSettings(database_url=url), "upload")
    assert database.write_engine.url.host == "fd00::4"
    database.close()
    counter_storage("async+redis://[fd00::5]:6379/0")


@pytest.mark.parametrize("brokers", ["kafka", "kafka:", "[fd00::1]", "fd00::1:9092", "http://kafka:9092", "a:1,b"])
def test_brokers_that_are_no_addresses_with_a_port_are_a_mistake_in_one_line(
    brokers: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", brokers)
    with pytest.raises(SystemExit):
        load(KafkaSettings)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"stemwright: KAFKA_BOOTSTRAP_SERVERS is '{brokers}'; it must be host:port")
