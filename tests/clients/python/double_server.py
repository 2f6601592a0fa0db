"""The double's sockets: HTTP as the platform and its object store speak it, and the faults in between."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.clients.python.double import KEY, NOW, Document, Double, Fault, named, problem, valid


class _Handler(BaseHTTPRequestHandler):
    double: Double
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True  # who asked has left
        except Exception as defect:
            self.double.defects.append(defect)
            raise

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_DELETE = do_PATCH = do_GET  # noqa: N815

    def log_message(self, *_arguments: object) -> None:
        """Says nothing."""

    def _serve(self) -> None:  # noqa: PLR0911 - one a kind of request
        path = urlsplit(self.path).path
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:  # who asked was killed while sending: no object store keeps half a part
            self.close_connection = True
            return
        name = f"{self.command} {path}"
        with self.double.lock:
            self.double.requests.append(name)
            self.double.asked[name] = {key.lower(): value for key, value in self.headers.items()}
            fault = self._fault(name)
        self.double.before()
        if fault is not None and fault.what == "drop":
            self._hang_up()
            return
        if fault is not None and isinstance(fault.what, int):
            status, told = problem(fault.what, fault.code)
            self._answer(status, json.dumps(told).encode(), fault.headers)
            return
        if path in self.double.scripts:
            self._answer(200, self.double.scripts[path].encode(), type_="javascript" if "." in path else "xhtml+xml")
            return
        if path.startswith("/store/"):
            self._store(path, body, cut=fault is not None and fault.what == "cut")
            return
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            self._answer(401, json.dumps(problem(401, "invalid_api_key")[1]).encode())
            return
        if name.endswith("/events") and "/jobs/" in name:
            self._stream(path, fault.what if fault is not None else None)
            return
        with self.double.lock:
            status, answer = self._call(self.command, path, json.loads(body) if body else None)
        if fault is not None and fault.what == "lose":
            self._hang_up()
            return
        self._answer(status, b"" if answer is None else json.dumps(answer).encode())

    def _fault(self, name: str) -> Fault | None:
        for fault in self.double.faults:
            if fault.times > 0 and re.fullmatch(fault.requests, name):
                fault.times -= 1
                return fault
        return None

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def _answer(self, status: int, content: bytes, headers: dict[str, str] | None = None, type_: str = "json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"application/{type_}")
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _call(self, method: str, path: str, body: Document | None) -> tuple[int, Any]:
        key = self.headers.get("Idempotency-Key")
        if method == "POST" and key is not None:
            asked = json.dumps([path, body], sort_keys=True)
            if key in self.double.answers:
                first, status, answer = self.double.answers[key]
                return (status, answer) if first == asked else problem(422, "idempotency_conflict")
            status, answer = self._done(method, path, body or {})
            if status < 400:
                self.double.answers[key] = (asked, status, answer)
            return status, answer
        return self._done(method, path, body or {})

    def _done(self, method: str, path: str, body: Document) -> tuple[int, Any]:  # noqa: PLR0911, PLR0912 - one a call
        double, query = self.double, parse_qs(urlsplit(self.path).query)
        identifier = next((part for part in path.split("/") if part.startswith(("upl_", "job_"))), "")
        if identifier.startswith("upl_") and identifier not in double.uploads:
            return problem(404, "upload_not_found")
        if identifier.startswith("job_") and identifier not in double.jobs:
            return problem(404, "job_not_found")
        match f"{method} {re.sub(identifier, 'ID', path) if identifier else path}":
            case "POST /v1/uploads":
                return double.create_upload(body)
            case "GET /v1/uploads/ID":
                return 200, valid("UploadView", double.upload(identifier))
            case "POST /v1/uploads/ID/complete":
                return double.complete(identifier)
            case "POST /v1/quotes":
                valid("NewQuote", body)
                price = {"price_credits": 3, "preview_credit_credits": 0, "available_credits": double.credits}
                able = {"affordable": double.credits >= 3, "reason": None, "rate_id": None, "credits_per_second": 1.0}
                return 200, valid("Quote", {**price, **able, "expires_at": NOW})
            case "POST /v1/jobs":
                return double.create_job(body)
            case "GET /v1/jobs":
                return 200, self._page([{**job, "filename": "x"} for job in double.jobs.values()], query)
            case "GET /v1/jobs/ID":
                if double.hold.is_set():
                    double.finish(double.jobs[identifier])
                return 200, valid("JobAnswer", double.jobs[identifier])
            case "GET /v1/billing/balance":
                left = {"available_credits": double.credits, "reserved_credits": 0, "debt_credits": 0, "expiring": []}
                return 200, valid("BalanceView", left)
            case "GET /v1/events":
                return 200, self._events(int(query.get("after", ["0"])[0]), query.get("types", []))
        if match := re.fullmatch(r"/v1/jobs/(\w+)/stems/(\w+)", path):
            content = double.stems[f"{match[1]}/{match[2]}"]
            told = {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "expires_at": NOW}
            return 200, valid("StemLink", {"url": f"{double.url}/store/{match[1]}/{match[2]}", **told})
        return problem(404, "route_not_found")

    def _page(self, items: list[Document], query: dict[str, list[str]]) -> Document:
        """Of two, so that a list has several."""
        start = int(query.get("cursor", ["0"])[0])
        rest = items[start:]
        return {"items": rest[:2], "next_cursor": str(start + 2) if len(rest) > 2 else None}

    def _events(self, after: int, types: list[str]) -> Document:
        oldest = self.double.oldest_sequence
        following = [event for event in self.double.events if event["sequence"] > max(after, oldest - 1)][:2]
        items = [event for event in following if not types or event["type"] in types]
        next_after = following[-1]["sequence"] if following else after
        return valid("EventPage", {"items": items, "next_after": next_after, "oldest_sequence": oldest})

    def _stream(self, path: str, fault: str | int | None) -> None:
        job = self.double.jobs[path.split("/")[3]]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        if fault == "cut":
            self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.close_connection = True
        if fault == "mute":
            return
        self._tell("progress", {"stage": "separating", "fraction": 0.5, "playable_seconds": 1.0, "attempt": 1})
        if fault == "cut":
            return
        while not self.double.hold.wait(0.05):
            self.wfile.write(b": still here\n\n")
        with self.double.lock:
            self.double.finish(job)
        self._tell("status", valid("JobAnswer", job))

    def _tell(self, kind: str, data: Document) -> None:
        self.wfile.write(f"event: {kind}\nid: {named('evt', 1)}\ndata: {json.dumps(data)}\n\n".encode())
        self.wfile.flush()

    def _store(self, path: str, body: bytes, *, cut: bool) -> None:
        assert "Authorization" not in self.headers, "the key went to the object store"
        _, _, identifier, name = path.split("/")
        if self.command == "PUT":
            with self.double.lock:
                self.double.parts[identifier, int(name)] = body
            self._answer(200, b"", {"ETag": f"e{name}"})
            return
        content = self.double.stems[f"{identifier}/{name}"]
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if cut:
            self.wfile.write(content[start : start + len(content) // 2])
            self._hang_up()
            return
        self.wfile.write(content[start:])


@contextmanager
def platform() -> Iterator[Double]:
    """On a port of its own; jobs end at once unless `hold` is cleared."""
    double = Double()
    double.hold.set()
    handler = type("Handler", (_Handler,), {"double": double})

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *_arguments: object) -> None:
            """Says nothing: what is wrong is in `defects`."""

    server = Server(("127.0.0.1", 0), handler)
    double.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield double
    finally:
        double.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()
    assert double.defects == []
