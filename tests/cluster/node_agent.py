"""What is in the kubelet's and kube-proxy's place in the rehearsal: the pods of a few nodes run as processes."""

import contextlib
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import httpx2

from tests.cluster.control_plane import ControlPlane, node
from tests.cluster.network import Address, Backend, Network, Proxies
from tests.cluster.pods import Image, Pod, now

Object = dict[str, Any]
POLL_SECONDS = 0.2
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}


class NodeAgent:
    """Runs what is scheduled to its nodes until the block ends; then nothing of it runs any more."""

    def __init__(
        self,
        cluster: ControlPlane,
        folder: Path,
        *,
        nodes: Mapping[str, str],
        outside: Mapping[Address, Backend],
        image: Image,
    ) -> None:
        """`nodes`: zones by name. `outside`: where the machine's own parts are reached, and what they are."""
        self._cluster = cluster
        self._folder = folder
        self._nodes = nodes
        self._outside = outside
        self._image = image
        self._hosts = folder / "hosts"
        self._http = httpx2.Client(
            base_url=cluster.server, headers={"Authorization": f"Bearer {cluster.token}"}, verify=False, timeout=30
        )
        self._network, self._proxies = Network(), Proxies()
        self._ending = ExitStack()
        self._pods: dict[str, Pod] = {}
        self._owned: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="node agent")

    def __enter__(self) -> Self:
        self._folder.mkdir(exist_ok=True)
        self._hosts.write_text("127.0.0.1 localhost\n")
        self._ending.enter_context(self._network)
        self._ending.enter_context(self._proxies)
        self._cluster.apply(*(node(name, zone) for name, zone in self._nodes.items()))
        for name in self._nodes:
            conditions = [{"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now()}]
            self._patch(f"/api/v1/nodes/{name}/status", {"status": {"conditions": conditions}})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for pod in self._pods.values():
            pod.stop(0.0)
        for pod in self._pods.values():
            pod.thread.join()
        self._ending.close()
        self._http.close()

    def _run(self) -> None:
        while not self._over.wait(POLL_SECONDS):
            with contextlib.suppress(httpx2.TransportError):
                self._look()

    def _look(self) -> None:
        self._route()
        there = {
            one["metadata"]["uid"]: one for one in self._list("pods") if one["spec"].get("nodeName") in self._nodes
        }
        for uid, given in there.items():
            pod = self._pods.get(uid)
            going = given["metadata"].get("deletionTimestamp")
            if pod is None and not going:
                pod = self._pods[uid] = Pod(
                    given,
                    self._folder,
                    self._network,
                    self._secret,
                    self._tell,
                    self._image,
                    self._hosts,
                )
                pod.thread.start()
            elif going and (pod is None or not pod.thread.is_alive()):
                self._delete(given)
            elif going and pod is not None:
                pod.stop(float(given["metadata"].get("deletionGracePeriodSeconds", 0)))
        for uid in self._pods.keys() - there.keys():
            self._pods[uid].stop(0.0)
            if not self._pods[uid].thread.is_alive():
                del self._pods[uid]

    def _route(self) -> None:
        """Leads each service's address to its ready pods, and makes its name known."""
        endpoints: dict[tuple[str, str, str], set[Address]] = {}
        for one in self._list("endpointslices", "/apis/discovery.k8s.io/v1"):
            service = one["metadata"]["labels"].get("kubernetes.io/service-name", "")
            for port in one.get("ports") or ():
                found = endpoints.setdefault((one["metadata"]["namespace"], service, port.get("name", "")), set())
                for endpoint in one.get("endpoints") or ():
                    if endpoint["conditions"].get("ready"):
                        found.update((address, port["port"]) for address in endpoint["addresses"])
        routes: dict[Address, list[Backend]] = {front: [back] for front, back in self._outside.items()}
        for one in self._list("services"):
            address, name, namespace = one["spec"].get("clusterIP"), *map(one["metadata"].get, ("name", "namespace"))
            if namespace == "default" or address in (None, "None"):
                continue
            if address not in self._owned:
                self._network.own(address)
                self._owned.add(address)
                with self._hosts.open("a") as hosts:  # in place: pods have this very file
                    hosts.write(f"{address} {name} {name}.{namespace}.svc.cluster.local\n")
            for port in one["spec"]["ports"]:
                routes[address, port["port"]] = sorted(endpoints.get((namespace, name, port.get("name", "")), ()))
        self._proxies.lead(routes)

    def _list(self, kind: str, group: str = "/api/v1") -> list[Object]:
        answer = self._http.get(f"{group}/{kind}")
        answer.raise_for_status()
        return list(answer.json()["items"])

    def _secret(self, namespace: str, name: str) -> Mapping[str, str]:
        answer = self._http.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        answer.raise_for_status()
        return dict(answer.json()["data"])

    def _tell(self, pod: Pod, status: Object) -> None:
        with contextlib.suppress(httpx2.HTTPStatusError):  # it may be gone
            self._patch(f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/status", {"status": status})

    def _patch(self, path: str, change: Object) -> None:
        self._http.patch(path, json=change, headers=STRATEGIC).raise_for_status()

    def _delete(self, given: Object) -> None:
        """The pod's processes are gone: so may it be."""
        path = f"/api/v1/namespaces/{given['metadata']['namespace']}/pods/{given['metadata']['name']}"
        gone = {"gracePeriodSeconds": 0, "preconditions": {"uid": given["metadata"]["uid"]}}
        self._http.request("DELETE", path, json=gone)
