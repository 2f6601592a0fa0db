"""Requests and answers of the uploads API."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, ValidatorFunctionWrapHandler, WrapValidator

from services.kit.outbound.urls import MAX_URL_CHARACTERS, PUBLIC_URL
from services.kit.schemas import Line, RequestBody, Whole
from services.kit.storage import Part
from services.kit.validation import form
from services.upload.models import Upload
from services.upload.names import FILENAME, MAX_FILENAME_CHARACTERS
from services.upload.settings import MAX_SIZE_BYTES
from services.upload.sources import shown

MAX_REPORTED_BYTES = 2**63 - 1
"""What a column holds. A larger claim is no number of bytes; one beyond the platform's limit is a file too large."""
MAX_PARTS = 1000
"""No file that is accepted has more."""

_WORD = "[A-Za-z0-9!#$&^_.+-]+"
_MEDIA_TYPE = form(f"^{_WORD}/{_WORD}$", "must be a media type such as audio/mpeg")
_SHA256 = form(r"^[0-9A-Fa-f]{64}$", "must be 64 hexadecimal digits")

Filename = Annotated[str, StringConstraints(min_length=1, max_length=MAX_FILENAME_CHARACTERS, pattern=FILENAME)]
MediaType = Annotated[str, StringConstraints(max_length=100, pattern=_MEDIA_TYPE)]
Sha256 = Annotated[str, StringConstraints(pattern=_SHA256, to_lower=True)]
ETag = Annotated[Line, StringConstraints(min_length=1, max_length=200)]


class NewUpload(RequestBody):
    """What the client says of the file it is about to send."""

    filename: Filename = Field(description="The name to show. It is never used as a path.")
    size_bytes: Annotated[int, Whole(ge=1, le=MAX_REPORTED_BYTES)] = Field(
        json_schema_extra={"maximum": MAX_SIZE_BYTES}, description="An empty file is no song."
    )
    content_type: MediaType | None = Field(None, description="A hint; the content alone decides.")
    sha256: Sha256 | None = Field(None, description="Hexadecimal. Where given, a file with another digest is rejected.")


class NewSource(RequestBody):
    """A file that is to be fetched."""

    source_url: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_URL_CHARACTERS,
            description="Where the file is: https, a public DNS name, port 443 or 8443. Its query is shown to nobody.",
            # For clients only: what is refused depends on the platform, which in development lets this machine be
            # named.
            json_schema_extra={"pattern": PUBLIC_URL},
        ),
    ]
    filename: Filename | None = Field(None, description="Where absent, as its server or its address calls it.")


def _by_its_fields(value: Any, _both: ValidatorFunctionWrapHandler) -> NewUpload | NewSource:
    """What is wrong is told of the body that was meant, not of each that there is."""
    meant = NewSource if isinstance(value, dict) and "source_url" in value else NewUpload
    return meant.model_validate(value)


NewFile = Annotated[NewUpload | NewSource, WrapValidator(_by_its_fields)]


class NamedPart(RequestBody):
    """A part as the object store answered it."""

    number: Annotated[int, Whole(ge=1, le=MAX_PARTS)]
    etag: ETag = Field(description="With or without quotes.")


class Completion(RequestBody):
    """What the client sent."""

    parts: list[NamedPart] | None = Field(
        None, max_length=MAX_PARTS, description="Absent: the parts that are in the store."
    )


class PartUrl(BaseModel):
    """Where to PUT one part."""

    number: int
    url: str
    size_bytes: int = Field(description="The URL takes a body of exactly this length.")


class UploadedPart(BaseModel):
    """A part that has arrived."""

    number: int
    etag: str
    size_bytes: int


class AudioView(BaseModel):
    """What a full decode found, whatever the header claims."""

    duration_seconds: float
    sample_rate_hz: int
    channels: int
    codec: str
    container: str
    complete: bool = Field(description="False: the file is damaged or cut off, and only this much of it can be read.")


class UploadView(BaseModel):
    """An upload as its owner sees it."""

    id: str
    status: Literal["pending", "validating", "ready", "rejected"]
    code: str | None = Field(None, description="Why it was rejected, for programs.")
    reason: str | None = Field(None, description="Why it was rejected, for people.")
    filename: str
    size_bytes: int = Field(description="Of a file that is fetched: what has come of it so far.")
    content_type: str | None
    source_url: str | None = Field(None, description="Where the file is fetched from, without a query.")
    sha256: str | None = Field(description="As measured once the upload is ready; before that, as the client said.")
    created_at: datetime
    completed_at: datetime | None
    part_size_bytes: int
    parts: list[PartUrl] = Field(
        description="Parts that are still missing, each with a presigned URL. A URL works for a limited time; "
        "asking for the upload again gives fresh ones. Empty in lists and once the upload is complete."
    )
    uploaded_parts: list[UploadedPart] = Field(description="Empty in lists and once the upload is complete.")
    audio: AudioView | None = Field(None, description="Present once the upload is ready.")


def view(upload: Upload, *, parts: list[PartUrl] | None = None, uploaded: list[Part] | None = None) -> UploadView:
    """The row as the API shows it."""
    audio = None
    if upload.codec is not None:
        audio = AudioView(
            duration_seconds=upload.duration_seconds or 0.0,
            sample_rate_hz=upload.sample_rate_hz or 0,
            channels=upload.channels or 0,
            codec=upload.codec,
            container=upload.container or "",
            complete=upload.whole is not False,
        )
    return UploadView.model_validate(
        {
            "id": upload.id,
            "status": upload.status,
            "code": upload.code,
            "reason": upload.reason,
            "filename": upload.filename,
            "size_bytes": upload.size_bytes,
            "content_type": upload.content_type,
            "source_url": shown(upload.source_url),
            "sha256": upload.sha256 or upload.declared_sha256,
            "created_at": upload.created_at,
            "completed_at": upload.completed_at,
            "part_size_bytes": upload.part_bytes,
            "parts": parts or [],
            "uploaded_parts": [
                UploadedPart(number=part.number, etag=part.etag, size_bytes=part.size_bytes) for part in uploaded or []
            ],
            "audio": audio,
        }
    )
