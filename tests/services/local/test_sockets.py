import socket
import socketserver

import pytest

from services.local.errors import AddressUnusable, PortTaken
from services.local.sockets import FREE_PORTS, free_port, hold_free_port, listen, listen_on_a_free_port, port_of

LOOPBACK = "127.0.0.1"


def test_a_port_that_is_taken_is_said_so() -> None:
    with (
        listen_on_a_free_port(LOOPBACK) as holder,
        pytest.raises(PortTaken, match=f"port {port_of(holder)} on 127.0.0.1 is in use"),
    ):
        listen(LOOPBACK, port_of(holder))


@pytest.mark.parametrize("host", ["203.0.113.9", "no-such-host.invalid", "a b", "ä" + "x" * 80, "::ffff:zz"])
def test_an_address_that_is_none_of_this_machine_is_said_so(host: str) -> None:
    with pytest.raises(AddressUnusable, match=r"the gateway cannot listen on .*STEMWRIGHT_GATEWAY_HOST is an address"):
        listen(host, 8080)


def test_free_ports_are_none_that_outgoing_connections_are_given() -> None:
    assert all(free_port(LOOPBACK) in FREE_PORTS for _ in range(20))


def test_the_preferred_port_is_taken_when_it_is_free() -> None:
    port = free_port(LOOPBACK)
    with listen_on_a_free_port(LOOPBACK, port) as first, listen_on_a_free_port(LOOPBACK, port) as second:
        assert port_of(first) == port
        assert port_of(second) != port


def test_a_port_to_avoid_is_avoided() -> None:
    port = free_port(LOOPBACK)
    with listen_on_a_free_port(LOOPBACK, preferred=port, avoid=[port]) as listener:
        assert port_of(listener) != port


def test_a_port_that_is_held_is_for_the_program_it_is_held_for_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with hold_free_port(LOOPBACK) as holder:
        port = port_of(holder)
        monkeypatch.setattr("random.sample", lambda _ports, _number: [port])
        for choose in (listen_on_a_free_port, hold_free_port):
            with pytest.raises(OSError, match="no free port"):
                choose(LOOPBACK)
        for _ in range(2):  # the program, and the one that replaces it
            with socketserver.TCPServer((LOOPBACK, port), socketserver.BaseRequestHandler, False) as program:
                program.allow_reuse_address = True
                program.server_bind()
                program.server_activate()
                with socket.create_connection((LOOPBACK, port)):
                    pass


def test_a_port_that_two_homes_remember_is_given_to_one_of_them() -> None:
    """A home and its copy that are started at the same time."""
    with hold_free_port(LOOPBACK) as holder:
        port = port_of(holder)
    with hold_free_port(LOOPBACK, port) as first:
        assert port_of(first) == port
        for choose in (hold_free_port, listen_on_a_free_port):
            with choose(LOOPBACK, port) as another:
                assert port_of(another) != port
    with listen_on_a_free_port(LOOPBACK, port) as after:
        assert port_of(after) == port
        with hold_free_port(LOOPBACK, port) as another:
            assert port_of(another) != port


def test_a_port_is_taken_again_while_connections_of_its_last_program_linger() -> None:
    with hold_free_port(LOOPBACK) as holder:
        port = port_of(holder)
        program = socket.create_server((LOOPBACK, port))
        with socket.create_connection((LOOPBACK, port)) as client:
            accepted, _ = program.accept()
            accepted.close()  # who closes first has what lingers
            assert client.recv(1) == b""
        program.close()
    with hold_free_port(LOOPBACK, port) as again:
        assert port_of(again) == port
