"""What kafka-python 3.0 does not offer, or gets wrong, and we need: the only place that reaches into its clients.

Its version is pinned below 3.1; each of these has a test that fails when it is no longer so.
"""

from typing import Any


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


def unreadable_partition(consumer: Any) -> Any | None:
    """After `poll` raised at a record that it cannot parse: the partition where that was."""
    batch = consumer._fetcher._next_partition_records
    return None if batch is None else batch.topic_partition


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
