"""What schemathesis has to know that no schema says."""

import uuid
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode

# An address of a domain that is kept for examples: which others are reserved is not a matter of form.
schemathesis.openapi.format("idn-email", st.from_regex(r"[a-z0-9]{1,40}@example\.com", fullmatch=True))


def before_call(_context: Any, case: Any, _options: dict[str, Any]) -> None:
    """One key means one request: under a key that was used for another, a good request is rightly refused.

    And no test asks a stranger's server for a song: every address becomes one of this machine where nobody listens.
    """
    if isinstance(case.body, dict) and "source_url" in case.body and case.operation.path == "/v1/uploads":
        case.body["source_url"] = f"http://127.0.0.1:1/{uuid.uuid4().hex}"
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    if case.headers and isinstance(case.headers.get("Idempotency-Key"), str):
        case.headers["Idempotency-Key"] = uuid.uuid4().hex


schemathesis.hook(before_call)
