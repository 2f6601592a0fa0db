"""What a bucket should be like beyond its objects, how the one at hand differs, and the making of what differs.

Lifecycle rules throw away what no service came to throw away; CORS rules let the web app send songs straight to the
store. Rules that others have put into the bucket stay.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.kit.s3 import S3Storage, translated
from services.kit.storage import BucketMissing, StorageRefused

LEFT_OVER_DAYS = 7
"""Longer than any upload may take, and than a part of the platform is likely to be away."""

LIFECYCLE: tuple[dict[str, Any], ...] = (
    {
        "ID": "stemwright-unfinished-parts",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": LEFT_OVER_DAYS},
    },
    {
        "ID": "stemwright-unchecked-uploads",
        "Status": "Enabled",
        "Filter": {"Prefix": "incoming/"},
        "Expiration": {"Days": LEFT_OVER_DAYS},
    },
)
CORS_ID = "stemwright-web-app"
PUBLIC_ACCESS = dict.fromkeys(
    ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
)
"""Clients come by signed addresses, never as the public."""


@dataclass(frozen=True)
class Difference:
    """Something about the bucket that is not as it should be."""

    what: str
    wanted: str
    is_known: bool = True
    """Whether the store knows of such a thing at all; one that does not is left as it is."""

    def __str__(self) -> str:
        return f"{self.what}: {self.wanted}" if self.is_known else f"{self.what}: this store has none"


def cors_rule(origins: Sequence[str]) -> dict[str, Any]:
    """Lets pages of these origins send parts of songs, read their ETag, and read stems."""
    return {
        "ID": CORS_ID,
        "AllowedOrigins": sorted(origins),
        "AllowedMethods": ["GET", "HEAD", "PUT"],
        "AllowedHeaders": ["*"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": 3600,
    }


def plan(storage: S3Storage, origins: Sequence[str]) -> list[Difference]:
    """What differs. Changes nothing. Raises StorageRefused or StorageUnavailable."""
    return [difference for difference, _ in _differences(storage, origins)]


def apply(storage: S3Storage, origins: Sequence[str]) -> list[Difference]:
    """Makes the bucket, and what differs in it; returns what did. Raises StorageRefused or StorageUnavailable."""
    found = []
    made = _missing(storage)
    if made is not None:
        storage.ensure_bucket()
        found.append(made)
    for difference, make in _differences(storage, origins):
        if make is not None:
            with translated():
                getattr(storage.client, make[0])(Bucket=storage.bucket, **make[1])
        found.append(difference)
    return found


_Call = tuple[str, dict[str, Any]]


def _missing(storage: S3Storage) -> Difference | None:
    try:
        storage.ping()
    except BucketMissing:
        return Difference("bucket", f"{storage.bucket} is missing")
    return None


def _differences(storage: S3Storage, origins: Sequence[str]) -> list[tuple[Difference, _Call | None]]:
    missing = _missing(storage)
    found: list[tuple[Difference, _Call | None]] = [] if missing is None else [(missing, None)]

    def ask(call: str, field: str) -> tuple[Any, bool]:
        return ([], True) if missing else _asked(getattr(storage.client, call), storage.bucket, field)

    def note(what: str, wanted: str, known: bool, call: _Call) -> None:
        found.append((Difference(what, wanted, known), call if known else None))

    rules, known = ask("get_bucket_lifecycle_configuration", "Rules")
    ours = [rule["ID"] for rule in LIFECYCLE if rule not in [_bare(there) for there in rules]]
    if ours:
        kept = [rule for rule in rules if rule.get("ID") not in {rule["ID"] for rule in LIFECYCLE}]
        wanted = {"LifecycleConfiguration": {"Rules": [*kept, *LIFECYCLE]}}
        note("lifecycle", ", ".join(ours), known, ("put_bucket_lifecycle_configuration", wanted))
    rules, known = ask("get_bucket_cors", "CORSRules") if origins else ([], True)
    if origins and cors_rule(origins) not in rules:
        kept = [rule for rule in rules if rule.get("ID") != CORS_ID]
        wanted = {"CORSConfiguration": {"CORSRules": [*kept, cors_rule(origins)]}}
        note("cors", f"PUT and GET from {', '.join(sorted(origins))}", known, ("put_bucket_cors", wanted))
    block, known = ask("get_public_access_block", _BLOCK)
    if block != PUBLIC_ACCESS:
        note("public access", "blocked", known, ("put_public_access_block", {_BLOCK: PUBLIC_ACCESS}))
    return found


_BLOCK = "PublicAccessBlockConfiguration"
_NOTHING_YET = frozenset(
    {"NoSuchLifecycleConfiguration", "NoSuchCORSConfiguration", "NoSuchPublicAccessBlockConfiguration"}
)
_NOT_KNOWN = frozenset({"NotImplemented", "MethodNotAllowed", "501", "405", "XNotImplemented"})


def _asked(call: Any, bucket: str, field: str) -> tuple[Any, bool]:
    """What the store answers, an empty list for nothing, and whether it knows of such a thing."""
    from botocore.exceptions import ClientError

    try:
        with translated():
            answer = call(Bucket=bucket)
    except StorageRefused as refused:
        cause = refused.__cause__
        code = cause.response.get("Error", {}).get("Code", "") if isinstance(cause, ClientError) else ""
        if code in _NOTHING_YET:
            return [], True
        if code in _NOT_KNOWN:
            return [], False
        raise
    # A store that knows says so where there is nothing; the local one takes the question for another one.
    found = answer.get(field)
    return found or [], bool(found)


def _bare(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule as we would write it: stores write the prefix of all objects in several ways."""
    filtered = rule.get("Filter") or {"Prefix": rule.get("Prefix", "")}
    return {name: value for name, value in {**rule, "Filter": filtered}.items() if name != "Prefix"}
