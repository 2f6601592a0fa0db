"""What kafka-python 3.0 does not offer, or gets wrong, and we need: the only place that reaches into its clients.

Its version is pinned below 3.1; each of these has a test that fails when it is no longer so.
"""

import weakref
from collections.abc import Callable
from typing import Any

from kafka.errors import KafkaConnectionError, SaslAuthenticationFailedError
from kafka.net.compat import KafkaNetClient
from kafka.net.selector import NetworkSelector


def network(failures: list[Exception], is_refused: Callable[[], bool], **config: Any) -> Any:
    """The connections of a client; when they are closed, so is every socket of theirs.

    Why one of them failed is appended to `failures`: the client itself only says, after a while, that none came about.
    It gives up before that once `is_refused` says that there is no hope.
    """
    client = KafkaNetClient(net=_ClosingSelector(**config), **config)
    get_connection = client._manager.get_connection

    def get_watched_connection(*arguments: Any, **more: Any) -> Any:
        if not client._manager.bootstrapped and is_refused():
            raise failures[-1]
        connection = get_connection(*arguments, **more)
        if not hasattr(connection, "is_watched"):
            connection.is_watched = True
            connection.close_future.add_errback(failures.append)
            connection._sasl_authenticate = _watched(connection._sasl_authenticate, failures)
        return connection

    client._manager.get_connection = get_watched_connection
    return client


def _watched(sign_in: Callable[..., Any], failures: list[Exception]) -> Callable[..., Any]:
    async def watched(*arguments: Any, **more: Any) -> None:
        try:
            await sign_in(*arguments, **more)
        except KafkaConnectionError as error:
            # Brokers that refuse somebody close the connection as well, and that may be noticed first.
            failures.append(SaslAuthenticationFailedError(str(error)))
            raise
        except Exception as error:
            failures.append(error)
            raise

    return watched


class _ClosingSelector(NetworkSelector):  # type: ignore[misc] # the client has no type information
    """Closes what its tasks waited for as well: the client ends a task that still connects, and forgets its socket."""

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._waited_for: weakref.WeakSet[Any] = weakref.WeakSet()

    def register_event(self, fileobj: Any, event: Any, task: Any) -> None:
        self._waited_for.add(fileobj)
        super().register_event(fileobj, event, task)

    def close(self) -> None:
        self.stop()
        # Held while the tasks end: who forgets a socket that is open leaves a warning.
        sockets = list(self._waited_for)
        super().close()
        for waited_for in sockets:
            waited_for.close()


def set_fetch_wait(consumer: Any, milliseconds: int) -> None:
    """Changes how long the brokers may keep the next fetches waiting."""
    consumer._fetcher.config["fetch_max_wait_ms"] = milliseconds


def release_parked(consumer: Any) -> None:
    """Lets partitions that were resumed go on.

    What is fetched and not handed out when a partition is paused is put aside, and taken up again only while there is
    no batch in hand; but a batch that was read to its end stays in hand for ever, and with it the partition stands.
    """
    fetcher = consumer._fetcher
    if fetcher._next_partition_records is not None and not fetcher._next_partition_records:
        fetcher._next_partition_records = None


def keep_joining(consumer: Any) -> bool:
    """Lets a member that joins its group come to the end of it; whether one does.

    Where a member joins because a topic has more partitions than it had shared out, and the brokers answer between two
    polls, the client takes that for no reason to join any more, and never takes up the partitions that it was given.
    An answer that came between two polls is asked for once more, so the next one has to wait for it.
    """
    coordinator = consumer._coordinator
    joining: bool = coordinator._join_task is not None
    if joining:
        coordinator.rejoin_needed = True
    return joining


def unreadable_partition(consumer: Any) -> Any | None:
    """After `poll` raised at a record that it cannot parse: the partition where that was."""
    batch = consumer._fetcher._next_partition_records
    return None if batch is None else batch.topic_partition


def cluster_id(client: Any) -> str:
    """The id of the cluster that a client of any kind has found, by the metadata at hand."""
    return str(client._manager.cluster.cluster_id)


def topic_id(consumer: Any, topic: str) -> object | None:
    """The id that the brokers gave a topic when it was made, by the metadata at hand."""
    known: object | None = consumer._client.cluster.topic_id(topic)
    return known


def known_partitions(consumer: Any, topic: str) -> set[int]:
    """Partitions by the metadata at hand; the client's own method would ask for more, and wait."""
    return consumer._client.cluster.partitions_for_topic(topic) or set()


def drop_pending(producer: Any) -> None:
    """Makes a producer forget what it could not send; its own `close` would try first, and give up half closed."""
    producer._sender.force_close()
