"""What schemathesis has to know that no schema says."""

import gc
import re
import uuid
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode

from services.kit.outbound.urls import PUBLIC_URL

# What is loaded stays, and of what is drawn little is garbage that only the collector finds; Hypothesis keeps account
# of each of its runs besides. Left as it is, looking for garbage takes a twelfth of the processor time.
gc.freeze()
gc.set_threshold(100_000)

# An address of a domain that is kept for examples: which others are reserved is not a matter of form.
schemathesis.openapi.format("idn-email", st.from_regex(r"[a-z0-9]{1,40}@example\.com", fullmatch=True))


def before_call(_context: Any, case: Any, _options: dict[str, Any]) -> None:
    """What a case says of things outside of it."""
    _ask_no_stranger(case)
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    # One key means one request: under a key that was used for another, a good request is rightly refused.
    if case.headers and isinstance(case.headers.get("Idempotency-Key"), str):
        case.headers["Idempotency-Key"] = uuid.uuid4().hex


def _ask_no_stranger(case: Any) -> None:
    """Every address of a song that would be fetched becomes one of a domain that is kept for examples: no such host."""
    address = case.body.get("source_url") if isinstance(case.body, dict) else None
    if isinstance(address, str) and re.search(PUBLIC_URL, address):
        case.body["source_url"] = f"https://{uuid.uuid4().hex}.example.com/song.wav"


schemathesis.hook(before_call)
