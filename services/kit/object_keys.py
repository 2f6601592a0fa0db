"""Where objects lie in the store. A key follows from ids alone; none is ever taken from a message."""


def source_key(upload_id: str) -> str:
    """The checked file of an upload; no client can write there."""
    return f"sources/{upload_id}/original"


def stems_prefix(job_id: str, attempt: int | None = None) -> str:
    """What the keys of a job's objects, or of one attempt's, begin with; ends with a slash."""
    return f"stems/{job_id}/" if attempt is None else f"stems/{job_id}/{attempt}/"
