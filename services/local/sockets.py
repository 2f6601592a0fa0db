"""Ports and listening sockets on the loopback interface."""

import errno
import random
import socket
from collections.abc import Collection
from contextlib import ExitStack, suppress

from services.local.errors import AddressUnusable, PortTaken

# Below the range from which Linux takes the ports of outgoing connections (32768 and up by default). A client that
# keeps trying a dead broker on a port inside that range can be given the very port it dials, connect to itself, and
# keep the broker from ever coming back.
FREE_PORTS = range(20_000, 32_000)
BACKLOG = 1024
LOOPBACK = "127.0.0.1"


class Holder(socket.socket):
    """Keeps a port for a program that binds its own, until it is closed."""

    claim: socket.socket

    def close(self) -> None:
        super().close()
        self.claim.close()


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen on `host:port`.

    Raises:
        PortTaken: something listens there already.
        AddressUnusable: nothing can listen there: it is no address of this machine, or the port is not for this user.
    """
    return _bound(host, port, listening=True)


def listen_on_a_free_port(host: str, preferred: int | None = None, avoid: Collection[int] = ()) -> socket.socket:
    """Listen on `preferred` when it is free, else on any free port of `FREE_PORTS`, and on none of `avoid`.

    Raises:
        OSError: no port is free.
    """
    bound, claim = _on_a_free_port(host, preferred, avoid, listening=True)
    claim.close()
    return bound


def hold_free_port(host: str, preferred: int | None = None, avoid: Collection[int] = ()) -> Holder:
    """Keep such a port for a program that binds its own, as long as the socket is open.

    It is bound and does not listen. Whoever chooses a port is refused this one, the program is not: it binds with
    `SO_REUSEADDR`, as servers do, and it alone knows which.

    Raises:
        OSError: no port is free.
    """
    bound, claim = _on_a_free_port(host, preferred, avoid, listening=False)
    holder = Holder(fileno=bound.detach())
    holder.claim = claim
    return holder


def free_port(host: str, avoid: Collection[int] = ()) -> int:
    """A port at which nobody answers; nothing keeps it that way."""
    with hold_free_port(host, avoid=avoid) as holder:
        return port_of(holder)


def _on_a_free_port(
    host: str, preferred: int | None, avoid: Collection[int], *, listening: bool
) -> tuple[socket.socket, socket.socket]:
    """A socket on the port, and the claim to it."""
    candidates = random.sample(FREE_PORTS, 100)
    for port in candidates if preferred is None else [preferred, *candidates]:
        if port not in avoid:
            with suppress(PortTaken), ExitStack() as stack:
                claim = stack.enter_context(_claim(host, port))
                # One that was ours may have connections that still linger; of others it is taken as a sign.
                bound = _bound(host, port, listening=listening, exclusive=port != preferred)
                stack.pop_all()
                return bound, claim
    raise OSError(errno.EADDRINUSE, f"no free port on {host}")


def _claim(host: str, port: int) -> socket.socket:
    """What one at a time has of a port that we choose: the UDP port of its number, which nobody of us uses.

    A port that is held for a program does not listen, and so would be given to another platform that remembers it, as
    the copy of a home does. The other port is bound to one socket alone, and no connections linger there.

    Raises:
        PortTaken: another platform on this machine has it.
        AddressUnusable: nothing can be bound there.
    """
    # Other ports are asked for by a person, and may have neighbours there.
    return _bound(host, port if port in FREE_PORTS else 0, kind=socket.SOCK_DGRAM, listening=False, exclusive=True)


def _bound(
    host: str,
    port: int,
    *,
    listening: bool,
    exclusive: bool = False,
    kind: socket.SocketKind = socket.SOCK_STREAM,
) -> socket.socket:
    """`exclusive`: not where anybody else is bound, whether or not they listen."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    try:
        if not exclusive:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        # From now on a program that we start may bind it too.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listening:
            bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(host, port) from error
        raise AddressUnusable(host, port, error.strerror or str(error)) from error
    except (TypeError, UnicodeError) as error:  # what cannot be the name of a host
        bound.close()
        raise AddressUnusable(host, port, "it is no name of a host") from error
    return bound


def port_of(bound: socket.socket) -> int:
    port: int = bound.getsockname()[1]
    return port
