"""A platform of one account in a thread: calls, object store and faults, over real sockets.

What it is asked and what it answers is held against the public document, so that it cannot drift from the platform.
"""

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import jsonschema

Document = dict[str, Any]
ROOT = Path(__file__).parents[3]
KEY = "sk_test"
NOW = "2026-11-29T12:00:00Z"
PART_BYTES = 1000


@cache
def document() -> Document:
    parsed: Document = json.loads((ROOT / "docs" / "openapi.json").read_text())
    return parsed


def valid(schema: str, instance: Document) -> Document:
    """The instance, which is one of the schema."""
    reference = {"$ref": f"#/components/schemas/{schema}", "components": document()["components"]}
    jsonschema.Draft202012Validator(reference).validate(instance)
    return instance


def named(kind: str, number: int) -> str:
    """An id as the platform makes them."""
    return f"{kind}_{number:026}"


@dataclass
class Fault:
    """Befalls the first so many requests whose method and path match.

    `drop` ends the connection before anything is done, `lose` when it is done and before it is told, `cut` in the
    middle of the answer; `mute` ends a stream without a word; a number is the status it is refused with.
    """

    requests: str
    what: Literal["drop", "lose", "cut", "mute"] | int
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    code: str = "unavailable"


@dataclass
class Double:
    url: str = ""
    credits: int = 1000
    faults: list[Fault] = field(default_factory=list)
    uploads: dict[str, Document] = field(default_factory=dict)
    parts: dict[tuple[str, int], bytes] = field(default_factory=dict)
    jobs: dict[str, Document] = field(default_factory=dict)
    stems: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, tuple[str, int, Document]] = field(default_factory=dict)
    """By idempotency key: the body that was asked with, status and answer."""
    events: list[Document] = field(default_factory=list)
    oldest_sequence: int = 1
    requests: list[str] = field(default_factory=list)
    """Method and path of everything that came."""
    asked: dict[str, dict[str, str]] = field(default_factory=dict)
    """The headers of the last request by method and path."""
    end: Callable[[Document], str] = lambda _job: "succeeded"
    """How a job ends."""
    hold: threading.Event = field(default_factory=threading.Event)
    """Jobs run until it is set."""
    scripts: dict[str, str] = field(default_factory=dict)
    """What a browser gets by path, without a key."""
    defects: list[Exception] = field(default_factory=list)
    """What went wrong here, which is the test's or the client's fault."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def paid(self) -> int:
        return sum(job["price_credits"] for job in self.jobs.values() if job["status"] not in ("failed", "canceled"))

    def count(self, pattern: str) -> int:
        return sum(1 for request in self.requests if re.fullmatch(pattern, request))

    # What the platform does.

    def create_upload(self, body: Document) -> tuple[int, Document]:
        valid("NewUpload", body)
        number = len(self.uploads) + 1
        upload = {
            "id": named("upl", number),
            "status": "pending",
            "code": None,
            "reason": None,
            "filename": body["filename"],
            "size_bytes": body["size_bytes"],
            "content_type": None,
            "sha256": body.get("sha256"),
            "created_at": NOW,
            "completed_at": None,
            "part_size_bytes": PART_BYTES,
            "audio": None,
        }
        self.uploads[upload["id"]] = upload
        return 201, self.upload(upload["id"])

    def upload(self, upload_id: str) -> Document:
        upload = self.uploads[upload_id]
        count = -(-upload["size_bytes"] // PART_BYTES)
        there = {number for identifier, number in self.parts if identifier == upload_id}
        of = {
            number: min(PART_BYTES, upload["size_bytes"] - (number - 1) * PART_BYTES) for number in range(1, count + 1)
        }
        parts = [
            {"number": number, "url": f"{self.url}/store/{upload_id}/{number}", "size_bytes": size}
            for number, size in of.items()
            if number not in there and upload["status"] == "pending"
        ]
        arrived = [{"number": number, "etag": f"e{number}", "size_bytes": of[number]} for number in sorted(there)]
        return {**upload, "parts": parts, "uploaded_parts": arrived}

    def complete(self, upload_id: str) -> tuple[int, Document]:
        upload = self.uploads[upload_id]
        if upload["status"] != "pending":
            return problem(409, "upload_not_pending")
        if self.upload(upload_id)["parts"]:
            return problem(409, "upload_incomplete")
        content = b"".join(self.parts[key] for key in sorted(self.parts) if key[0] == upload_id)
        assert hashlib.sha256(content).hexdigest() == upload["sha256"], "the file did not arrive as it was"
        if content.startswith(b"no music"):
            upload |= {"status": "rejected", "code": "audio_undecodable", "reason": "This is no song."}
        else:
            audio = {
                "duration_seconds": 3.0,
                "sample_rate_hz": 44100,
                "channels": 2,
                "codec": "pcm",
                "container": "wav",
            }
            upload |= {"status": "ready", "completed_at": NOW, "audio": {**audio, "complete": True}}
        # What is told first is that it is being looked at.
        return 200, {**self.upload(upload_id), "status": "validating"}

    def create_job(self, body: Document) -> tuple[int, Document]:
        valid("NewJob", body)
        if self.credits < 3:
            return problem(402, "insufficient_credits")
        self.credits -= 3
        number = len(self.jobs) + 1
        output = {"format": "flac", "bit_depth": None, "bitrate_kbps": None, **body.get("output", {})}
        job = {
            "id": named("job", number),
            "upload_id": body["upload_id"],
            "mode": body["mode"],
            "tier": body["tier"],
            "preview": None,
            "requested_stems": body["stems"],
            "status": "queued",
            "progress": {"stage": None, "fraction": 0.0},
            "playable_seconds": 0.0,
            "price_credits": 3,
            "preview_credit_credits": 0,
            "attempt": 1,
            "model": {"name": "spleeter-2stems", "digest": None},
            "output": output,
            "created_at": NOW,
            **dict.fromkeys(("queued_at", "started_at", "finished_at", "expires_at", "error", "quality", "analysis")),
            "stems": [],
            "metadata": body.get("metadata"),
            **dict.fromkeys(("retry_of", "batch_id", "callback_url")),
        }
        self.jobs[job["id"]] = job
        return 201, dict(job)

    def finish(self, job: Document) -> None:
        """Ends a job that has not."""
        if job["status"] not in ("queued", "running"):
            return
        job["status"] = self.end(job)
        job["finished_at"] = NOW
        if job["status"] == "failed":
            job["error"] = {"code": "separation_failed", "message": "It went wrong."}
            return
        for name in job["requested_stems"]:
            content = f"{name} of {job['id']}\n".encode() * 200
            self.stems[f"{job['id']}/{name}"] = content
            digest = hashlib.sha256(content).hexdigest()
            told = {"name": name, "format": job["output"]["format"], "size_bytes": len(content), "sha256": digest}
            levels = {"duration_seconds": 3.0, "sample_rate_hz": 44100, "channels": 2, "silent": False}
            job["stems"].append({**told, **levels, "peak_dbfs": -1.0, "loudness_lufs": -14.0})
        job["quality"] = {"sum_is_exact": True, "null_residual_dbfs": None, "null_measured": "in_files"}

    def happen(self, kind: str, data: Document) -> None:
        number = len(self.events) + 1
        event = {"id": named("evt", number), "type": kind, "occurred_at": NOW, "sequence": number, "data": data}
        self.events.append(event)


def problem(status: int, code: str) -> tuple[int, Document]:
    detail = code.replace("_", " ")
    told = {"type": f"urn:stemwright:problem:{code}", "title": detail, "status": status, "detail": f"It is {detail}."}
    return status, {**told, "code": code, "request_id": "req_1"}


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
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name = f"{self.command} {path}"
        with self.double.lock:
            self.double.requests.append(name)
            self.double.asked[name] = {key.lower(): value for key, value in self.headers.items()}
            fault = self._fault(name)
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
