"""Ports and listening sockets on the loopback interface."""

import errno
import random
import socket
from collections.abc import Collection
from contextlib import suppress

from services.local.errors import AddressUnusable, PortTaken

# Below the range from which Linux takes the ports of outgoing connections (32768 and up by default). A client that
# keeps trying a dead broker on a port inside that range can be given the very port it dials, connect to itself, and
# keep the broker from ever coming back.
FREE_PORTS = range(20_000, 32_000)
BACKLOG = 1024
LOOPBACK = "127.0.0.1"


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen on `host:port`.

    Raises:
        PortTaken: something listens there already.
        AddressUnusable: nothing can listen there: it is no address of this machine, or the port is not for this user.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(host, port) from error
        raise AddressUnusable(host, port, error.strerror or str(error)) from error
    except (TypeError, UnicodeError) as error:  # what cannot be the name of a host
        listener.close()
        raise AddressUnusable(host, port, "it is no name of a host") from error
    return listener


def listen_on_a_free_port(host: str, preferred: int | None = None, avoid: Collection[int] = ()) -> socket.socket:
    """Listen on `preferred` when it is free, else on any free port of `FREE_PORTS`, and on none of `avoid`.

    Raises:
        OSError: no port is free.
    """
    candidates = random.sample(FREE_PORTS, 100)
    for port in candidates if preferred is None else [preferred, *candidates]:
        if port not in avoid:
            with suppress(PortTaken):
                return listen(host, port)
    raise OSError(errno.EADDRINUSE, f"no free port on {host}")


def free_port(host: str, preferred: int | None = None, avoid: Collection[int] = ()) -> int:
    """A port that was free a moment ago, for a program that binds its own."""
    with listen_on_a_free_port(host, preferred, avoid) as listener:
        return port_of(listener)


def port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port
