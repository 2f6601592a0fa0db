"""What this service tells the others about an upload, on `uploads.v1`."""

from google.protobuf.timestamp_pb2 import Timestamp

from services.kit.events.codec import OutgoingEvent
from services.kit.events.topics import UPLOADS
from services.kit.protos import uploads_pb2
from services.upload.models import Upload
from services.upload.states import UploadStatus

Message = uploads_pb2.UploadCreated | uploads_pb2.UploadReady | uploads_pb2.UploadRejected | uploads_pb2.UploadDeleted

MAX_REASON_CHARACTERS = 500


def news_of(upload: Upload) -> OutgoingEvent:
    """The event that tells the present state of an upload."""
    return OutgoingEvent(topic=UPLOADS, key=upload.id, subject=upload.id, data=_message(upload))


def news_of_unknown(upload_id: str) -> OutgoingEvent:
    """The answer about an upload that does not exist (any more): whose it was is not known."""
    return OutgoingEvent(
        topic=UPLOADS, key=upload_id, subject=upload_id, data=uploads_pb2.UploadDeleted(upload_id=upload_id)
    )


def _message(upload: Upload) -> Message:
    match upload.state:
        case UploadStatus.PENDING | UploadStatus.VALIDATING:
            return uploads_pb2.UploadCreated(upload_id=upload.id, account_id=upload.account_id)
        case UploadStatus.READY:
            return uploads_pb2.UploadReady(
                upload_id=upload.id,
                account_id=upload.account_id,
                object_key=upload.source_key,
                sha256=upload.sha256 or "",
                size_bytes=upload.size_bytes,
                filename=upload.filename,
                audio=uploads_pb2.AudioFacts(
                    duration_seconds=upload.duration_seconds or 0,
                    samples=upload.samples or 0,
                    sample_rate_hz=upload.sample_rate_hz or 0,
                    channels=upload.channels or 0,
                    codec=upload.codec or "",
                    container=upload.container or "",
                    voice_start_seconds=upload.voice_start_seconds,
                    complete=upload.whole,
                ),
                decided_at=_decided_at(upload),
            )
        case UploadStatus.REJECTED:
            return uploads_pb2.UploadRejected(
                upload_id=upload.id,
                account_id=upload.account_id,
                code=upload.code or "",
                reason=(upload.reason or "")[:MAX_REASON_CHARACTERS],
                decided_at=_decided_at(upload),
            )
        case UploadStatus.DELETED:
            return uploads_pb2.UploadDeleted(upload_id=upload.id, account_id=upload.account_id)


def _decided_at(upload: Upload) -> Timestamp | None:
    if upload.decided_at is None:
        return None
    moment = Timestamp()
    moment.FromDatetime(upload.decided_at)
    return moment
