"""What is ordered of a song."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Order:
    """Everything of a job but its upload; `docs/api.md` says what each field may be.

    Attributes:
        preview: (start, duration) in seconds of a preview; None of the two is the platform's choice.
        metadata: up to 16 names with a line of text each; they come back with the job and its events.
        callback_url: where the event of its end is sent, for partners.
    """

    stems: Sequence[str] = ("vocals", "instrumental")
    format: str = "flac"
    bit_depth: int | None = None
    bitrate_kbps: int | None = None
    mode: Literal["full", "preview"] = "full"
    preview: tuple[float | None, float | None] | None = None
    tier: Literal["fast", "relaxed"] = "fast"
    model: str | None = None
    metadata: Mapping[str, str] | None = None
    callback_url: str | None = None

    def body(self, upload_id: str) -> dict[str, Any]:
        """Of `POST /v1/jobs`."""
        body = {**self.quoted(upload_id), **self._wished()}
        if self.preview is not None:
            window = dict(zip(("start_seconds", "duration_seconds"), self.preview, strict=True))
            body["preview"] = {name: value for name, value in window.items() if value is not None}
        return body

    def batch(self, songs: Sequence[str | Mapping[str, Any]]) -> dict[str, Any]:
        """Of `POST /v1/batches`: the order of all songs. Each is an upload's id, or that with wishes of its own."""
        items = [{"upload_id": song} if isinstance(song, str) else dict(song) for song in songs]
        body = self.quoted("")
        del body["upload_id"]
        return {"items": items, **body, **self._wished()}

    def _wished(self) -> dict[str, Any]:
        output = {"format": self.format, "bit_depth": self.bit_depth, "bitrate_kbps": self.bitrate_kbps}
        wished: dict[str, Any] = {"output": {name: value for name, value in output.items() if value is not None}}
        if self.metadata is not None:
            wished["metadata"] = dict(self.metadata)
        if self.callback_url is not None:
            wished["callback_url"] = self.callback_url
        return wished

    def quoted(self, upload_id: str) -> dict[str, Any]:
        """Of `POST /v1/quotes`: what the price depends on."""
        body = {"upload_id": upload_id, "mode": self.mode, "tier": self.tier, "stems": list(self.stems)}
        return {**body, **({"model": self.model} if self.model is not None else {})}


def key_of(*facts: Any) -> str:
    """An idempotency key that is the same for the same request, also of another run of the program."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
