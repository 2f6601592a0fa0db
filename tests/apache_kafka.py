"""Apache Kafka itself for tests: one node in KRaft mode, fetched by Maven once into the cache folder.

One broker serves all tests of a run, whichever process of pytest-xdist they are in; each test has a prefix of its own
for its topics and groups. Listeners: as anybody (who may do everything), by TLS and SASL with access lists, and by
certificates. Tests are skipped, and say why, where there is no Java or Maven, or Maven cannot fetch.
"""

import fcntl
import json
import logging
import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from kafka.errors import KafkaError
from pydantic import SecretStr

from separation.machine.cache import cache_directory
from services.kit.events.brokers import Brokers
from services.kit.events.connection import BrokerUnavailable, connect
from services.kit.events.rights import Grant
from services.local.sockets import LOOPBACK, free_port
from tests.certificates import make_certificate

VERSION = "4.4.0"
START_SECONDS = 180
FETCH_SECONDS = 300
CLUSTER_ID = "c3RlbXdyaWdodC10ZXN0cw"
PASSWORD = "let me in, broker"

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>stemwright</groupId><artifactId>kafka-of-the-tests</artifactId><version>1</version><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>{VERSION}</version></dependency>
</dependencies></project>"""
_JAVA = ("java", "-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
_JAAS = "org.apache.kafka.common.security"
_LISTENERS = ("anybody", "signing in", "by certificate")


@dataclass(frozen=True)
class ApacheKafka:
    """A broker that runs."""

    ports: Mapping[str, int]
    """By listener."""
    folder: Path
    host: str = LOOPBACK

    @property
    def certificate(self) -> Path:
        """Of the broker; it is its own authority, and the one that signs for clients."""
        return self.folder / "certificate.pem"

    def at(self, listener: str, **more: Any) -> Brokers:
        """How clients that come by a listener see it, under a prefix that nobody else has."""
        address = f"{self.host}:{self.ports[listener]}"
        return Brokers(address, **{"prefix": f"{uuid.uuid4().hex[:12]}.", **more})

    def open(self) -> Brokers:
        """As clients see it that may do everything."""
        return self.at("anybody")

    def signing_in(self, user: str, brokers: Brokers, **more: Any) -> Brokers:
        """The same topics, for somebody who signs in over TLS and may do what access lists say."""
        told: dict[str, Any] = {
            "addresses": f"{self.host}:{self.ports['signing in']}",
            "security_protocol": "SASL_SSL",
            "ca_file": self.certificate,
            "sasl_mechanism": "SCRAM-SHA-256",
            "username": user,
            "password": SecretStr(PASSWORD),
            "makes_topics": False,
        }
        return replace(brokers, **{**told, **more})

    def add_user(self, brokers: Brokers, user: str, *rights: tuple[ACLOperation, ResourceType, str]) -> None:
        """Gives a user a password for SCRAM, and rights to resources by their names; `*` ends the beginning of one."""
        with self.administration(brokers) as admin:
            admin.alter_user_scram_credentials(
                [UserScramCredentialUpsertion(user, ScramMechanism.SCRAM_SHA_256, PASSWORD, iterations=4096)]
            )
            if rights:
                admin.create_acls([_allowed(user, *right) for right in rights])
            deadline = time.monotonic() + START_SECONDS
            while not admin.describe_user_scram_credentials([user])[user]["credential_infos"]:
                assert time.monotonic() < deadline, f"{user} is not known"
                time.sleep(0.02)

    @contextmanager
    def administration(self, brokers: Brokers) -> Iterator[Any]:
        """A client that may do everything."""
        admin = connect(KafkaAdminClient, replace(self.open(), prefix=brokers.prefix), "tests")
        try:
            yield admin
        finally:
            admin.close()


def rights_of(grants: Iterable[Grant]) -> list[tuple[ACLOperation, ResourceType, str]]:
    """As `add_user` takes them."""
    return [
        (
            ACLOperation[grant.right],
            ResourceType[grant.kind.upper()],
            f"{grant.name}*" if grant.pattern == "prefixed" else grant.name,
        )
        for grant in grants
    ]


def _allowed(user: str, operation: ACLOperation, resource: ResourceType, name: str) -> ACL:
    kind = ACLResourcePatternType.PREFIXED if name.endswith("*") else ACLResourcePatternType.LITERAL
    pattern = ResourcePattern(resource, name.removesuffix("*"), kind)
    return ACL(f"User:{user}", "*", operation, ACLPermissionType.ALLOW, pattern)


@pytest.fixture(scope="session")
def apache_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """The one broker of this run, which the first who asks starts; it ends with the last process that holds it."""
    jars = libraries()
    # The client reports every refused connection several times, with the exception and the socket in it.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with _held(folder / "apache-kafka", jars) as broker:
        yield broker


@pytest.fixture
def kafka_brokers(apache_kafka: ApacheKafka) -> Brokers:
    """Apache Kafka under a prefix of this test's own, for clients that may do everything. It has no topics yet."""
    return apache_kafka.open()


def libraries() -> Path:
    """The folder of Kafka's jars, fetched if need be. Skips where that cannot be."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            pytest.skip(f"Apache Kafka needs {program}, which is not installed")
    home = cache_directory() / f"kafka-{VERSION}"
    home.mkdir(parents=True, exist_ok=True)
    jars = home / "libs"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not jars.exists():
            (home / "pom.xml").write_text(_POM, encoding="utf-8")
            arriving = home / "arriving"
            shutil.rmtree(arriving, ignore_errors=True)
            command = [
                "mvn",
                "--batch-mode",
                "--quiet",
                "dependency:copy-dependencies",
                f"-DoutputDirectory={arriving}",
            ]
            try:
                subprocess.run(command, cwd=home, check=True, capture_output=True, timeout=FETCH_SECONDS)
            except (subprocess.SubprocessError, OSError) as error:
                pytest.skip(f"Maven cannot fetch Apache Kafka: {error}")
            arriving.rename(jars)
    return jars


@contextmanager
def kafka_running(folder: Path, host: str = LOOPBACK) -> Iterator[ApacheKafka]:
    """A broker of one's own in a folder, at an address of this machine, for as long as the block lasts."""
    with _held(folder, libraries(), host) as broker:
        yield broker


@contextmanager
def _held(folder: Path, jars: Path, host: str = LOOPBACK) -> Iterator[ApacheKafka]:
    """A broker that runs for as long as any process holds it: each has a pipe open, however it ends."""
    folder.mkdir(exist_ok=True)
    pipe, told = folder / "held", folder / "ports.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not pipe.exists():
            os.mkfifo(pipe)
        try:
            holder = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads: there is no broker, or none any more
            # For reading too, so that the one who waits for its end waits.
            holder = os.open(pipe, os.O_RDWR)
            ports = _start(folder / "broker", jars, pipe, host)
            told.write_text(json.dumps(ports), encoding="utf-8")
    try:
        yield ApacheKafka(json.loads(told.read_text(encoding="utf-8")), folder / "broker", host)
    finally:
        os.close(holder)


def _start(folder: Path, jars: Path, pipe: Path, host: str) -> dict[str, int]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    certificate, key = make_certificate(folder)
    (folder / "both.pem").write_bytes(key.read_bytes() + certificate.read_bytes())
    ports: dict[str, int] = {}
    for name in (*_LISTENERS, "controller"):
        ports[name] = free_port(host, avoid=list(ports.values()))
    properties = folder / "server.properties"
    properties.write_text("\n".join(_properties(folder, ports, host)), encoding="utf-8")
    _format(folder, properties, jars)
    java = [*_JAVA, "-cp", f"{jars}/*", "kafka.Kafka", str(properties)]
    # The shell ends it, by its process id, when nobody has the other end of the pipe any more.
    script = 'pipe=$1; shift; { "$@" </dev/null & cat "$pipe" >/dev/null; kill -KILL $!; } &'
    with (folder / "log").open("wb") as log:
        subprocess.run(
            ["sh", "-c", script, "sh", str(pipe), *java],
            check=True,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=folder,
        )
    _await(ports, host)
    return ports


def _await(ports: Mapping[str, int], host: str) -> None:
    """Waits until the broker answers. Its client is asked when its ports are open: before, it would pause for long."""
    deadline = time.monotonic() + START_SECONDS
    for listener in _LISTENERS:
        while True:
            try:
                socket.create_connection((host, ports[listener]), timeout=1).close()
                if listener == "anybody":
                    admin = connect(KafkaAdminClient, Brokers(f"{host}:{ports[listener]}"), "tests")
                    admin.close()
            except (OSError, KafkaError, BrokerUnavailable):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                break


def _format(folder: Path, properties: Path, jars: Path) -> None:
    """Lays out the log's folder. Starting Java for it takes a second, and a copy of the last one does as well."""
    formatted = jars.parent / "formatted"
    if not formatted.exists():
        command = ["java", "-cp", f"{jars}/*", "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID]
        subprocess.run([*command, "-c", str(properties)], check=True, capture_output=True, timeout=START_SECONDS)
        draft = jars.parent / f"formatted-{os.getpid()}"
        shutil.copytree(folder / "data", draft)
        try:
            draft.rename(formatted)
        except OSError:  # another run was quicker
            shutil.rmtree(draft)
    if not (folder / "data").exists():
        shutil.copytree(formatted, folder / "data")


def _properties(folder: Path, ports: Mapping[str, int], host: str) -> Iterable[str]:
    address = {name: f"{host}:{port}" for name, port in ports.items()}
    names = f"OPEN://{address['anybody']},SASL_SSL://{address['signing in']},SSL://{address['by certificate']}"
    sasl, unsigned = "listener.name.sasl_ssl", 'unsecuredLoginStringClaim_sub="broker"'
    yield from (
        "process.roles=broker,controller",
        "node.id=1",
        f"controller.quorum.voters=1@{address['controller']}",
        "controller.listener.names=CONTROLLER",
        f"listeners={names},CONTROLLER://{address['controller']}",
        f"advertised.listeners={names}",
        "inter.broker.listener.name=OPEN",
        "listener.security.protocol.map=CONTROLLER:PLAINTEXT,OPEN:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL",
        f"log.dirs={folder / 'data'}",
        "auto.create.topics.enable=false",
        "offsets.topic.replication.factor=1",
        "offsets.topic.num.partitions=1",
        "transaction.state.log.replication.factor=1",
        "transaction.state.log.min.isr=1",
        "group.initial.rebalance.delay.ms=0",
        "group.min.session.timeout.ms=1000",
        "group.coordinator.rebalance.protocols=classic",
        "log.cleaner.enable=false",
        "num.network.threads=2",
        "num.io.threads=2",
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users=User:ANONYMOUS",
        "ssl.keystore.type=PEM",
        f"ssl.keystore.location={folder / 'both.pem'}",
        "ssl.truststore.type=PEM",
        f"ssl.truststore.location={folder / 'certificate.pem'}",
        "listener.name.ssl.ssl.client.auth=required",
        f"{sasl}.sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512,PLAIN,OAUTHBEARER",
        f"{sasl}.scram-sha-256.sasl.jaas.config={_JAAS}.scram.ScramLoginModule required;",
        f"{sasl}.scram-sha-512.sasl.jaas.config={_JAAS}.scram.ScramLoginModule required;",
        f'{sasl}.plain.sasl.jaas.config={_JAAS}.plain.PlainLoginModule required user_plain="{PASSWORD}";',
        # Tokens that nobody signed: what a test can make by itself.
        f"{sasl}.oauthbearer.sasl.jaas.config={_JAAS}.oauthbearer.OAuthBearerLoginModule required {unsigned};",
        "",
    )
