"""The network of the rehearsal's nodes: an address for each pod, and for each service one that leads to its ready pods.

Pods have network namespaces of their own on one bridge. What kube-proxy does is done here over TCP: connections to a
service's address are handed to one of its endpoints, and what was accepted stays with that pod until either side ends.
Parts outside the cluster (broker, database, store) are reached at the bridge's own address.
"""

import asyncio
import random
import subprocess
import threading
from collections.abc import Awaitable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, Self

BRIDGE = "stemwright0"
HOST = "10.213.0.1"
"""The machine, as pods see it."""
NETWORK_BITS = 16
CHUNK_BYTES = 1 << 16

Address = tuple[str, int]
Backend = Address | str
"""A port, or the path of a socket."""


def ip(*arguments: str) -> None:
    """Raises CalledProcessError."""
    subprocess.run(("ip", *arguments), check=True, capture_output=True, text=True)


class Network:
    """The bridge and the namespaces of pods; gone with the block."""

    def __init__(self) -> None:
        self._numbers = count(2)
        self._namespaces: set[str] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        ip("link", "add", BRIDGE, "type", "bridge")
        ip("address", "add", f"{HOST}/{NETWORK_BITS}", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        return self

    def __exit__(self, *_: object) -> None:
        for namespace in list(self._namespaces):
            self.detach(namespace)
        ip("link", "delete", BRIDGE)

    def attach(self) -> tuple[str, str]:
        """A new network namespace: its name, and its address."""
        with self._lock:
            number = next(self._numbers)
            name, address = f"stemwright-{number}", f"10.213.{number // 250}.{number % 250 + 2}"
            ip("netns", "add", name)
            self._namespaces.add(name)
            ip("link", "add", f"sw{number}", "master", BRIDGE, "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", f"sw{number}", "up")
            for arguments in (
                ("link", "set", "lo", "up"),
                ("address", "add", f"{address}/{NETWORK_BITS}", "dev", "eth0"),
                ("link", "set", "eth0", "up"),
                ("route", "add", "default", "via", HOST),
            ):
                ip("-netns", name, *arguments)
        return name, address

    def detach(self, namespace: str) -> None:
        with self._lock:
            self._namespaces.discard(namespace)
            ip("netns", "delete", namespace)

    def own(self, address: str) -> None:
        """The machine answers at this address too."""
        ip("address", "replace", f"{address}/32", "dev", BRIDGE)


@dataclass
class _Front:
    """What listens for one address of a service."""

    backends: tuple[Backend, ...]
    server: asyncio.Server | None = None


class Proxies:
    """Listens at addresses and hands connections on: to a pod, to a port of the machine, or to a socket's path."""

    def __init__(self) -> None:
        self._fronts: dict[Address, _Front] = {}
        self._taking: set[asyncio.Task[Any]] = set()  # asyncio itself holds them weakly
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._wait_for(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def lead(self, routes: Mapping[Address, Iterable[Backend]]) -> None:
        """From now on exactly these addresses lead to these backends; without one, connections are refused."""
        self._wait_for(self._lead({front: tuple(backends) for front, backends in routes.items()}))

    def _wait_for(self, work: Awaitable[None]) -> None:
        done: Future[None] = asyncio.run_coroutine_threadsafe(work, self._loop)  # type: ignore[arg-type]
        done.result(30)

    async def _end(self) -> None:
        await self._lead({})
        taking = [*self._taking]
        for task in taking:
            task.cancel()
        await asyncio.gather(*taking, return_exceptions=True)

    async def _lead(self, routes: dict[Address, tuple[Backend, ...]]) -> None:
        for address in [*self._fronts]:
            if not routes.get(address):
                self._close(self._fronts.pop(address))
        for address, backends in routes.items():
            if not backends:
                continue
            front = self._fronts.setdefault(address, _Front(backends))
            front.backends = backends
            if front.server is None:
                front.server = await asyncio.start_server(partial(self._take, front), *address, backlog=512)

    @staticmethod
    def _close(front: _Front) -> None:
        if front.server is not None:
            front.server.close()

    async def _take(self, front: _Front, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._taking.add(task)
        try:
            await _hand_on(random.choice(front.backends), reader, writer)
        finally:
            self._taking.discard(task)


async def _hand_on(backend: Backend, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """To somebody who is not there a connection breaks off at once, as it would without anybody between."""
    try:
        reading, writing = await (
            asyncio.open_unix_connection(backend) if isinstance(backend, str) else asyncio.open_connection(*backend)
        )
    except OSError:
        writer.transport.abort()
        return
    await asyncio.gather(_pump(reader, writing), _pump(reading, writer))
    for each in (writer, writing):
        each.close()


async def _pump(reader: asyncio.StreamReader, writer: Any) -> None:
    """Everything that is read is written; the end, too, and a connection that breaks off breaks off."""
    try:
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.transport.abort()
