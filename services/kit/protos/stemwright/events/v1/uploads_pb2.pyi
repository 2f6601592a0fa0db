import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UploadCreated(_message.Message):
    __slots__ = ("upload_id", "account_id")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    account_id: str
    def __init__(self, upload_id: _Optional[str] = ..., account_id: _Optional[str] = ...) -> None: ...

class UploadReady(_message.Message):
    __slots__ = ("upload_id", "account_id", "object_key", "sha256", "size_bytes", "filename", "audio", "decided_at")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    OBJECT_KEY_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    DECIDED_AT_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    account_id: str
    object_key: str
    sha256: str
    size_bytes: int
    filename: str
    audio: AudioFacts
    decided_at: _timestamp_pb2.Timestamp
    def __init__(self, upload_id: _Optional[str] = ..., account_id: _Optional[str] = ..., object_key: _Optional[str] = ..., sha256: _Optional[str] = ..., size_bytes: _Optional[int] = ..., filename: _Optional[str] = ..., audio: _Optional[_Union[AudioFacts, _Mapping[str, object]]] = ..., decided_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping[str, object]]] = ...) -> None: ...

class UploadRejected(_message.Message):
    __slots__ = ("upload_id", "account_id", "code", "reason", "decided_at")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DECIDED_AT_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    account_id: str
    code: str
    reason: str
    decided_at: _timestamp_pb2.Timestamp
    def __init__(self, upload_id: _Optional[str] = ..., account_id: _Optional[str] = ..., code: _Optional[str] = ..., reason: _Optional[str] = ..., decided_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping[str, object]]] = ...) -> None: ...

class UploadDeleted(_message.Message):
    __slots__ = ("upload_id", "account_id")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    account_id: str
    def __init__(self, upload_id: _Optional[str] = ..., account_id: _Optional[str] = ...) -> None: ...

class AudioFacts(_message.Message):
    __slots__ = ("duration_seconds", "samples", "sample_rate_hz", "channels", "codec", "container", "voice_start_seconds", "complete")
    DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    VOICE_START_SECONDS_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    duration_seconds: float
    samples: int
    sample_rate_hz: int
    channels: int
    codec: str
    container: str
    voice_start_seconds: float
    complete: bool
    def __init__(self, duration_seconds: _Optional[float] = ..., samples: _Optional[int] = ..., sample_rate_hz: _Optional[int] = ..., channels: _Optional[int] = ..., codec: _Optional[str] = ..., container: _Optional[str] = ..., voice_start_seconds: _Optional[float] = ..., complete: _Optional[bool] = ...) -> None: ...
