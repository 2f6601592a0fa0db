"""The gateway as a process of its own, in front of a service that answers what a test wants."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from services.local.sockets import LOOPBACK, free_port
from tests.services.gateway.standin import PATIENCE_SECONDS, PATIENT, StandIn, serving


@dataclass
class Process:
    child: subprocess.Popen[bytes]
    url: str
    admin_url: str
    """Nothing answers there unless `STEMWRIGHT_ADMIN_PORT` was set."""
    service: StandIn
    """Every service behind it."""

    def resident_mib(self) -> float:
        status = Path(f"/proc/{self.child.pid}/status").read_text(encoding="utf-8")
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


@contextmanager
def running(service: StandIn, **environment: str) -> Iterator[Process]:
    """A gateway process in front of one stand-in that is every service; no broker is there."""
    with serving(service, proxy_headers=False) as port, socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{port}"
        os.set_inheritable(listener.fileno(), True)
        child = subprocess.Popen(
            [sys.executable, "-m", "services.gateway.main"],
            env={
                **os.environ,
                "LISTEN_FD": str(listener.fileno()),
                "STEMWRIGHT_GATEWAY_ACCOUNTS_URL": url,
                "STEMWRIGHT_GATEWAY_UPLOAD_URL": url,
                "STEMWRIGHT_GATEWAY_ORCHESTRATOR_URL": url,
                "STEMWRIGHT_GATEWAY_NOTIFIER_URL": url,
                "STEMWRIGHT_JWKS_URL": f"{url}/.well-known/jwks.json",
                "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port(LOOPBACK)}",
                **{f"STEMWRIGHT_GATEWAY_{name.upper()}": str(value) for name, value in PATIENT.items()},
                **environment,
            },
            pass_fds=[listener.fileno()],
            stdout=subprocess.DEVNULL,
        )
        own = f"http://127.0.0.1:{listener.getsockname()[1]}"
        admin = f"http://127.0.0.1:{environment.get('STEMWRIGHT_ADMIN_PORT', 0)}"
        process = Process(child, own, admin, service)
        try:
            # Waits in the socket until it serves.
            httpx2.get(f"{process.url}/v1/nothing", timeout=PATIENCE_SECONDS, trust_env=False)
            yield process
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()
