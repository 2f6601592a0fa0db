"""A partner's topic at the brokers: the topic, one reader, and the reader's rights to it and to groups of its own."""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Protocol

from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    NewTopic,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from kafka.errors import KafkaError, TopicAlreadyExistsError, UnknownTopicOrPartitionError

from services.kit.errors import Unavailable
from services.kit.events.brokers import Brokers
from services.kit.events.connection import BrokerUnavailable, connect
from services.kit.events.topics import PARTNERS, SEGMENT

RETENTION = timedelta(days=7)
MECHANISMS = (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)
"""The password works by either: which of them brokers offer is their operator's choice (Strimzi's offer the second)."""
ITERATIONS = 8192
"""Of SCRAM, for a password that nobody chose."""


def topic_of(account_id: str) -> str:
    """Name of an account's topic, without the prefix of these brokers."""
    return f"{PARTNERS}{account_id}.v1"


class PartnersBrokers(Protocol):
    """What makes and removes topics of partners."""

    def make(self, account_id: str) -> str:
        """Makes topic, reader and rights, as far as they are missing; the reader's new password. Raises Unavailable."""

    def remove(self, account_id: str) -> None:
        """Removes them, as far as they are there. Raises Unavailable."""


class KafkaPartners:
    """On Apache Kafka, by rights of the notifier to create and delete topics under `partners.` and to alter the cluster
    (users and access lists)."""

    def __init__(self, brokers: Brokers) -> None:
        self._brokers = brokers

    def make(self, account_id: str) -> str:
        password = secrets.token_urlsafe(32)
        times = {"retention.ms": RETENTION, "segment.ms": SEGMENT}
        configs = {name: str(int(length.total_seconds() * 1000)) for name, length in times.items()}
        configs["min.insync.replicas"] = str(self._brokers.min_insync_replicas)
        name = self._brokers.named(topic_of(account_id))
        # One partition: the events of an account are in the order of their numbers.
        topic = NewTopic(name, 1, self._brokers.replication_factor, topic_configs=configs)
        user = [UserScramCredentialUpsertion(account_id, each, password, iterations=ITERATIONS) for each in MECHANISMS]

        def work(admin: Any) -> None:
            with suppress(TopicAlreadyExistsError):
                admin.create_topics([topic])
            rights = [
                _right(account_id, ResourceType.TOPIC, name, ACLResourcePatternType.LITERAL),
                _right(account_id, ResourceType.GROUP, f"{account_id}.", ACLResourcePatternType.PREFIXED),
            ]
            if refusals := admin.create_acls(rights)["failed"]:
                raise refusals[0]("the partner's access lists are refused")
            _alter(admin, user)

        self._with_administration(work)
        return password

    def remove(self, account_id: str) -> None:
        everything = ACLFilter(
            f"User:{account_id}",
            None,
            ACLOperation.ANY,
            ACLPermissionType.ANY,
            ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY),
        )

        def work(admin: Any) -> None:
            known = admin.describe_user_scram_credentials([account_id])[account_id]["credential_infos"]
            there = [credential["mechanism"] for credential in known]
            _alter(admin, [UserScramCredentialDeletion(account_id, each) for each in there])
            admin.delete_acls([everything])
            with suppress(UnknownTopicOrPartitionError):
                admin.delete_topics([self._brokers.named(topic_of(account_id))])

        self._with_administration(work)

    def _with_administration(self, work: Any) -> None:
        try:
            admin = connect(KafkaAdminClient, self._brokers, "partners")
            try:
                work(admin)
            finally:
                admin.close()
        except BrokerUnavailable:
            raise
        except (KafkaError, OSError) as error:
            raise Unavailable("the event log does not do this at the moment", retry_after_seconds=10) from error


def _alter(admin: Any, changes: Sequence[UserScramCredentialUpsertion | UserScramCredentialDeletion]) -> None:
    """One by one: brokers change a user once a request, and refuse in an answer that raises nothing by itself."""
    for change in changes:
        problem = admin.alter_user_scram_credentials([change])[change.user]
        if problem is not None:
            raise KafkaError(f"passwords: {problem}")


def _right(account_id: str, kind: ResourceType, name: str, pattern: ACLResourcePatternType) -> ACL:
    return ACL(
        f"User:{account_id}", "*", ACLOperation.READ, ACLPermissionType.ALLOW, ResourcePattern(kind, name, pattern)
    )
