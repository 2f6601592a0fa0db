"""A platform of one account in a thread: calls, object store and faults, over real sockets.

What it is asked and what it answers is held against the public document, so that it cannot drift from the platform.
"""

import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

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
    before: Callable[[], None] = lambda: None
    """Called when a request has come, before anything is done about it."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def paid(self) -> int:
        return sum(job["price_credits"] for job in self.jobs.values() if job["status"] not in ("failed", "canceled"))

    def count(self, pattern: str) -> int:
        return sum(1 for request in self.requests if re.fullmatch(pattern, request))

    # What the platform does.

    def create_upload(self, body: Document) -> tuple[int, Document]:
        if "source_url" in body:
            return self._fetched(valid("NewSource", body))
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

    def _fetched(self, body: Document) -> tuple[int, Document]:
        """A song that is there at the second look, unless its address says that it is missing."""
        address = body["source_url"]
        _, made = self.create_upload({"filename": body.get("filename", "theirs.wav"), "size_bytes": 1})
        ended = {"status": "ready", "source_url": address}
        if "missing" in address:
            ended |= {"status": "rejected", "code": "source_refused", "reason": "It answers 404."}
        self.uploads[made["id"]] |= ended
        return 201, {**self.upload(made["id"]), "status": "pending"}

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
            whole = not content.startswith(b"half of it")
            upload |= {"status": "ready", "completed_at": NOW, "audio": {**audio, "complete": whole}}
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
