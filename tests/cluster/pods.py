"""A pod of the rehearsal: its containers' own commands as processes, with what a kubelet would give and ask of them.

What is real: environment and files from secrets, init containers in order, an address of its own, a root that cannot be
written, the user's number without capabilities, probes with their thresholds, restarts, the pause before the stop,
SIGTERM, the grace period, SIGKILL. What is not: images (commands run from this checkout's environment), limits of
memory and processor, network policies.
"""

import base64
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import psutil

from tests.cluster.network import HOST, Network

Object = dict[str, Any]
Read = Callable[[str, str], Mapping[str, str]]
"""The entries of a Secret, as the API gives them (base64), by its namespace and name."""

ENTRYPOINT = (str(Path(sys.prefix) / "bin" / "stemwright"),)
CONTAINER = Path(__file__).with_name("container.sh")
LOOK_EVERY_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0
"""Before a container that ended is started again; a kubelet pauses for five minutes at most."""


class NotRehearsed(Exception):
    """A pod wants what only a kubelet can give."""


@dataclass(frozen=True)
class Image:
    """What stands for the images: variables, and what of this machine is seen whatever else is mounted."""

    environment: Mapping[str, str]
    files: tuple[Path, ...] = ()


@dataclass
class Probe:
    """One of a container's probes: what was found last, and how often in a row."""

    wanted: Object
    url: str
    due: float = 0.0
    failures: int = 0
    successes: int = 0

    def looked(self, client: httpx2.Client) -> bool:
        """Whether it was time; asks then."""
        if time.monotonic() < self.due:
            return False
        self.due = time.monotonic() + self.wanted.get("periodSeconds", 10)
        try:
            well = client.get(self.url, timeout=self.wanted.get("timeoutSeconds", 1)).status_code < 400
        except httpx2.TransportError:
            well = False
        self.failures, self.successes = (0, self.successes + 1) if well else (self.failures + 1, 0)
        return True

    @property
    def failed(self) -> bool:
        return self.failures >= int(self.wanted.get("failureThreshold", 3))


@dataclass
class Container:
    """One container and its process."""

    spec: Object
    process: subprocess.Popen[bytes] | None = None
    probes: dict[str, Probe] = field(default_factory=dict)
    started: bool = False
    ready: bool = False
    restarts: int = -1
    begun: str = ""
    again_at: float = 0.0

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def exit_code(self) -> int | None:
        return None if self.process is None else self.process.poll()

    def signal(self, number: int) -> None:
        """To the first process of the container; when that is gone the others are too."""
        if self.process is None or self.process.poll() is not None:
            return
        try:
            for child in psutil.Process(self.process.pid).children():
                child.send_signal(number)
        except psutil.NoSuchProcess:
            return

    def status(self) -> Object:
        code = self.exit_code
        state: Object = {"waiting": {"reason": "PodInitializing"}}
        if self.process is not None:
            state = {"running": {"startedAt": self.begun}}
        if code is not None:
            reason = "Error" if code else "Completed"
            state = {"terminated": {"exitCode": code % 256, "reason": reason, "startedAt": self.begun}}
        return {
            "name": self.name,
            "image": self.spec["image"],
            "imageID": "",
            "ready": self.ready or (self.restarts >= 0 and code == 0),
            "started": self.started,
            "restartCount": max(self.restarts, 0),
            "state": state,
        }


class Pod:
    """Runs in a thread of its own from when the scheduler has given it a node until it is gone."""

    def __init__(
        self,
        given: Object,
        folder: Path,
        network: Network,
        read_secret: Read,
        tell: Callable[["Pod", Object], None],
        image: Image,
        hosts: Path,
    ) -> None:
        self.given = given
        self.uid = str(given["metadata"]["uid"])
        self.namespace, self.name = (str(given["metadata"][key]) for key in ("namespace", "name"))
        self._folder = folder / f"{self.name}-{self.uid[:8]}"
        self._network = network
        self._read_secret = read_secret
        self._tell = tell
        self._image = image
        self._hosts = hosts
        self._spec: Object = given["spec"]
        self._inits = [Container(spec) for spec in self._spec.get("initContainers", [])]
        self._containers = [Container(spec) for spec in self._spec["containers"]]
        self._namespace, self.address = network.attach()
        self._http = httpx2.Client(headers={"Connection": "close"})
        self._grace: float | None = None
        self._told: Object = {}
        self._stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, name=self.name)

    def stop(self, grace_seconds: float) -> None:
        """It is to be gone within so many seconds."""
        self._grace = grace_seconds
        self._stopping.set()

    def _run(self) -> None:
        try:
            self._folder.mkdir()
            self._say("Pending")
            if self._initialize():
                self._serve()
            self._end()
        finally:
            for container in (*self._inits, *self._containers):
                container.signal(signal.SIGKILL)
                if container.process is not None:
                    container.process.wait()
            self._http.close()
            self._network.detach(self._namespace)
            for scratch in self._folder.glob("*/upper"):
                shutil.rmtree(scratch.parent, ignore_errors=True)

    # What a pod does

    def _initialize(self) -> bool:
        """Runs the init containers one after the other; whether all went well."""
        for container in self._inits:
            if container.spec.get("restartPolicy"):
                raise NotRehearsed(f"{self.name}: {container.name} is a sidecar")
            while not self._stopping.is_set():
                self._start(container)
                while container.exit_code is None and not self._stopping.wait(LOOK_EVERY_SECONDS):
                    pass
                self._say("Pending")
                if container.exit_code == 0:
                    break
                if self._spec.get("restartPolicy") == "Never" and not self._stopping.is_set():
                    self._say("Failed")
                    return False
                self._stopping.wait(max(0.0, container.again_at - time.monotonic()))
        return not self._stopping.is_set()

    def _serve(self) -> None:
        """Starts the containers, looks after them, and returns when they have ended or the pod is to stop."""
        for container in self._containers:
            self._start(container)
        while not self._stopping.wait(LOOK_EVERY_SECONDS):
            for container in self._containers:
                self._look_after(container)
            codes = [container.exit_code for container in self._containers]
            if self._spec.get("restartPolicy", "Always") == "Always" or None in codes:
                self._say("Running")
            elif any(codes) and self._spec["restartPolicy"] == "OnFailure":
                raise NotRehearsed(f"{self.name}: restartPolicy OnFailure")
            else:
                self._say("Failed" if any(codes) else "Succeeded")
                return

    def _look_after(self, container: Container) -> None:
        if container.exit_code is not None:
            container.started = container.ready = False
            if self._spec.get("restartPolicy", "Always") == "Always" and time.monotonic() > container.again_at:
                self._start(container)
            return
        startup = container.probes.get("startupProbe")
        if not container.started:
            if startup is not None:
                startup.looked(self._http)
                if startup.failed:
                    container.signal(signal.SIGKILL)
            container.started = startup is None or startup.successes > 0
            return
        readiness, liveness = (container.probes.get(kind) for kind in ("readinessProbe", "livenessProbe"))
        if readiness is None:
            container.ready = True
        elif readiness.looked(self._http):
            container.ready = readiness.successes > 0 or (container.ready and not readiness.failed)
        if liveness is not None and liveness.looked(self._http) and liveness.failed:
            container.signal(signal.SIGTERM)

    def _end(self) -> None:
        """Waits for the pod's deletion, then stops what runs as a kubelet does."""
        self._stopping.wait()
        deadline = time.monotonic() + (self._grace or 0.0)
        running = [one for one in (*self._inits, *self._containers) if one.process and one.exit_code is None]
        pause = max((_pause_before_stop(one.spec) for one in running), default=0.0)
        until = min(deadline, time.monotonic() + pause)
        while time.monotonic() < until and any(one.exit_code is None for one in running):
            time.sleep(LOOK_EVERY_SECONDS)
        for container in running:
            container.signal(signal.SIGTERM)
        while time.monotonic() < deadline and any(one.exit_code is None for one in running):
            time.sleep(LOOK_EVERY_SECONDS)
        for container in running:
            container.signal(signal.SIGKILL)

    # What it is made of

    def _start(self, container: Container) -> None:
        container.restarts += 1
        container.started = container.ready = False
        container.begun = now()
        container.again_at = time.monotonic() + min(LONGEST_PAUSE_SECONDS, 2.0 ** min(container.restarts, 5))
        container.probes = {
            kind: Probe(container.spec[kind], self._url(container.spec, container.spec[kind]))
            for kind in ("startupProbe", "readinessProbe", "livenessProbe")
            if kind in container.spec
        }
        command = [*container.spec.get("command", ENTRYPOINT), *container.spec.get("args", ())]
        user = self._spec.get("securityContext", {}).get("runAsUser", 65534)
        folder = self._folder / f"{container.name}-{container.restarts}"
        folder.mkdir()
        mounts = [str(self._hosts), "etc/hosts", "ro", *self._mounts(container.spec, user)]
        for path in self._image.files:  # a volume may lie over where they are
            mounts += [str(path), str(path).lstrip("/"), "ro"]
        with (self._folder / f"{container.name}.log").open("ab") as log:
            container.process = subprocess.Popen(
                (
                    *("setpriv", "--pdeathsig=KILL", "--"),  # with its pod's thread, however that ends
                    *("nsenter", f"--net=/run/netns/{self._namespace}", "--"),
                    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--"),
                    *("sh", str(CONTAINER), str(folder), str(user), *mounts, "--", *command),
                ),
                env={**self._image.environment, **self._variables(container.spec)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _url(self, spec: Object, probe: Object) -> str:
        if "httpGet" not in probe:
            raise NotRehearsed(f"{self.name}: a probe other than by HTTP")
        ports = {one["name"]: one["containerPort"] for one in spec.get("ports", []) if "name" in one}
        port = probe["httpGet"]["port"]
        return f"http://{self.address}:{ports.get(port, port)}{probe['httpGet'].get('path', '/')}"

    def _variables(self, spec: Object) -> dict[str, str]:
        if spec.get("envFrom"):
            raise NotRehearsed(f"{self.name}: envFrom")
        return {one["name"]: one.get("value") or self._value_from(one.get("valueFrom")) for one in spec.get("env", [])}

    def _value_from(self, source: Object | None) -> str:
        if source is None:
            return ""
        if "secretKeyRef" not in source:
            raise NotRehearsed(f"{self.name}: a variable from {', '.join(source)}")
        wanted = source["secretKeyRef"]
        return base64.b64decode(self._read_secret(self.namespace, wanted["name"])[wanted["key"]]).decode()

    def _mounts(self, spec: Object, user: int) -> Iterator[str]:
        volumes = {one["name"]: one for one in self._spec.get("volumes", [])}
        for mount in spec.get("volumeMounts", []):
            source = self._volume(volumes[mount["name"]], user)
            kept = mount.get("readOnly") or "secret" in volumes[mount["name"]]
            yield from (str(source), mount["mountPath"].lstrip("/"), "ro" if kept else "rw")

    def _volume(self, volume: Object, user: int) -> Path:
        folder = self._folder / f"volume-{volume['name']}"
        if folder.exists():
            return folder
        folder.mkdir()
        if "secret" in volume:
            entries = self._read_secret(self.namespace, volume["secret"]["secretName"])
            for key, value in entries.items():
                (folder / key).write_bytes(base64.b64decode(value))
                os.chown(folder / key, 0, user)
                (folder / key).chmod(volume["secret"].get("defaultMode", 0o644))
        elif "emptyDir" in volume:
            os.chown(folder, user, user)
            folder.chmod(0o1777)
        else:
            raise NotRehearsed(f"{self.name}: volume {volume['name']}")
        return folder

    def _say(self, phase: str) -> None:
        """Tells the API server how the pod is, where that has changed."""
        initialized = all(one.exit_code == 0 for one in self._inits)
        ready = initialized and bool(self._containers) and all(one.ready for one in self._containers)
        told: Object = {
            "phase": phase,
            "hostIP": HOST,
            "podIP": self.address,
            "podIPs": [{"ip": self.address}],
            "initContainerStatuses": [one.status() for one in self._inits],
            "containerStatuses": [one.status() for one in self._containers],
            "conditions": [
                {"type": kind, "status": str(value)}
                for kind, value in (("Initialized", initialized), ("ContainersReady", ready), ("Ready", ready))
            ],
        }
        if told != self._told:
            self._told = told
            self._tell(self, told)


def _pause_before_stop(spec: Object) -> float:
    before = spec.get("lifecycle", {}).get("preStop", {})
    if before and "sleep" not in before:
        raise NotRehearsed(f"{spec['name']}: preStop other than a pause")
    return float(before.get("sleep", {}).get("seconds", 0))


def now() -> str:
    """As Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
