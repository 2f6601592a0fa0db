"""What the rehearsal's node agent makes of a pod, without a cluster."""

import contextlib
import os
import shutil
import socket
import socketserver
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.local.sockets import LOOPBACK, free_port
from tests.cluster.control_plane import wait
from tests.cluster.network import BRIDGE, Network, Proxies
from tests.cluster.pods import Image, Pod

Object = dict[str, Any]
PROGRAM = """
import http.server, os, pathlib, signal, sys, threading
pathlib.Path("/scratch/begun").write_text(f"{os.getuid()} {os.getpid()} {os.environ['WORD']}")
try:
    pathlib.Path("/etc/ours").write_text("no")
except OSError as refused:
    pathlib.Path("/scratch/root").write_text(str(refused))
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if pathlib.Path("/scratch/ready").exists() or self.path == "/alive" else 503)
        self.end_headers()
    def log_message(self, *told):
        pass
server = http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Answer)
def stop(*told):
    pathlib.Path("/scratch/stopped").write_text(pathlib.Path("/keys/word").read_text())
    threading.Thread(target=server.shutdown).start()
signal.signal(signal.SIGTERM, stop)
server.serve_forever()
"""
SPEC: Object = {
    "securityContext": {"runAsUser": 10001},
    "restartPolicy": "Always",
    "volumes": [
        {"name": "scratch", "emptyDir": {}},
        {"name": "keys", "secret": {"secretName": "words", "defaultMode": 0o440}},
    ],
    "initContainers": [
        {
            "name": "first",
            "image": "any",
            "command": ["sh", "-c", "touch /scratch/prepared"],
            "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
        }
    ],
    "containers": [
        {
            "name": "main",
            "image": "any",
            "command": [sys.executable, "-c", PROGRAM],
            "ports": [{"name": "http", "containerPort": 8000}],
            "env": [{"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "words", "key": "word"}}}],
            "startupProbe": {
                "httpGet": {"path": "/alive", "port": "http"},
                "periodSeconds": 0.1,
                "failureThreshold": 600,
            },
            "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 0.1},
            "volumeMounts": [
                {"name": "scratch", "mountPath": "/scratch"},
                {"name": "keys", "mountPath": "/keys", "readOnly": True},
            ],
        }
    ],
}


@pytest.fixture
def network() -> Iterator[Network]:
    for program in ("ip", "nsenter", "unshare", "setpriv"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if os.geteuid():
        pytest.skip("namespaces of pods need root")
    if Path("/sys/class/net", BRIDGE).exists():
        pytest.skip("a rehearsal is going on, whose bridge has the same name")
    with Network() as network:
        yield network


class Told:
    """What the API server would have been told."""

    def __init__(self) -> None:
        self.statuses: list[Object] = []

    def __call__(self, _pod: Pod, status: Object) -> None:
        self.statuses.append(status)

    @property
    def ready(self) -> bool:
        conditions = self.statuses[-1]["conditions"] if self.statuses else []
        return {"type": "Ready", "status": "True"} in conditions


def test_a_pod_runs_as_its_spec_says(network: Network, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    told = Told()
    metadata = {"uid": "0123456789", "namespace": "music", "name": "pod"}
    image = Image({"PATH": os.environ["PATH"]})
    secret = {"word": "aG9sYQ=="}
    pod = Pod({"metadata": metadata, "spec": SPEC}, tmp_path, network, lambda *_: secret, told, image, hosts)
    scratch = tmp_path / "pod-01234567" / "volume-scratch"
    pod.thread.start()
    try:
        wait("it has begun", (scratch / "begun").exists, 60)
        assert (scratch / "begun").read_text() == "10001 1 hola"
        assert (scratch / "prepared").exists()
        wait("it has tried to write", (scratch / "root").exists, 60)
        assert "Read-only" in (scratch / "root").read_text()
        assert not told.ready
        (scratch / "ready").touch()
        wait("it is ready", lambda: told.ready, 60)
    finally:
        pod.stop(30.0)
        pod.thread.join()
    assert (scratch / "stopped").read_text() == "hola"
    assert [one["state"]["terminated"]["exitCode"] for one in told.statuses[-1]["initContainerStatuses"]] == [0]


def test_connections_go_to_the_backends_there_are() -> None:
    front, first, second = (free_port(LOOPBACK) for _ in range(3))

    def answered() -> bytes | None:
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, front), timeout=30) as there:
            return there.recv(10)
        return None

    with Proxies() as proxies, saying(first, b"first"), saying(second, b"second"):
        proxies.lead({(LOOPBACK, front): []})
        assert answered() is None
        proxies.lead({(LOOPBACK, front): [(LOOPBACK, first)]})
        assert answered() == b"first"
        proxies.lead({(LOOPBACK, front): [(LOOPBACK, second)]})
        assert answered() == b"second"
        proxies.lead({})
        assert answered() is None


@contextlib.contextmanager
def saying(port: int, word: bytes) -> Iterator[None]:
    """Something listens and says a word to each who comes."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(word)

    with socketserver.TCPServer((LOOPBACK, port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()
