import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SeparationAssigned(_message.Message):
    __slots__ = ("worker_id", "job_id", "attempt", "deadline", "source", "window", "stems", "output", "model", "output_prefix")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    STEMS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_PREFIX_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    job_id: str
    attempt: int
    deadline: _timestamp_pb2.Timestamp
    source: SourceAudio
    window: Window
    stems: _containers.RepeatedScalarFieldContainer[str]
    output: OutputFormat
    model: Model
    output_prefix: str
    def __init__(self, worker_id: _Optional[str] = ..., job_id: _Optional[str] = ..., attempt: _Optional[int] = ..., deadline: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping[str, object]]] = ..., source: _Optional[_Union[SourceAudio, _Mapping[str, object]]] = ..., window: _Optional[_Union[Window, _Mapping[str, object]]] = ..., stems: _Optional[_Iterable[str]] = ..., output: _Optional[_Union[OutputFormat, _Mapping[str, object]]] = ..., model: _Optional[_Union[Model, _Mapping[str, object]]] = ..., output_prefix: _Optional[str] = ...) -> None: ...

class SeparationCanceled(_message.Message):
    __slots__ = ("worker_id", "job_id", "attempt")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    job_id: str
    attempt: int
    def __init__(self, worker_id: _Optional[str] = ..., job_id: _Optional[str] = ..., attempt: _Optional[int] = ...) -> None: ...

class SourceAudio(_message.Message):
    __slots__ = ("object_key", "sha256", "size_bytes", "duration_seconds")
    OBJECT_KEY_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    object_key: str
    sha256: str
    size_bytes: int
    duration_seconds: float
    def __init__(self, object_key: _Optional[str] = ..., sha256: _Optional[str] = ..., size_bytes: _Optional[int] = ..., duration_seconds: _Optional[float] = ...) -> None: ...

class Window(_message.Message):
    __slots__ = ("start_seconds", "duration_seconds")
    START_SECONDS_FIELD_NUMBER: _ClassVar[int]
    DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    start_seconds: float
    duration_seconds: float
    def __init__(self, start_seconds: _Optional[float] = ..., duration_seconds: _Optional[float] = ...) -> None: ...

class OutputFormat(_message.Message):
    __slots__ = ("format", "bit_depth", "bitrate_kbps")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    BIT_DEPTH_FIELD_NUMBER: _ClassVar[int]
    BITRATE_KBPS_FIELD_NUMBER: _ClassVar[int]
    format: str
    bit_depth: int
    bitrate_kbps: int
    def __init__(self, format: _Optional[str] = ..., bit_depth: _Optional[int] = ..., bitrate_kbps: _Optional[int] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "digest")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    name: str
    digest: str
    def __init__(self, name: _Optional[str] = ..., digest: _Optional[str] = ...) -> None: ...

class SeparationProgress(_message.Message):
    __slots__ = ("worker_id", "job_id", "attempt", "stage", "fraction", "account_id", "playable_seconds")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PLAYABLE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    job_id: str
    attempt: int
    stage: str
    fraction: float
    account_id: str
    playable_seconds: float
    def __init__(self, worker_id: _Optional[str] = ..., job_id: _Optional[str] = ..., attempt: _Optional[int] = ..., stage: _Optional[str] = ..., fraction: _Optional[float] = ..., account_id: _Optional[str] = ..., playable_seconds: _Optional[float] = ...) -> None: ...

class SeparationFinished(_message.Message):
    __slots__ = ("worker_id", "job_id", "attempt", "succeeded", "failed", "aborted")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    ABORTED_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    job_id: str
    attempt: int
    succeeded: SeparationSucceeded
    failed: SeparationFailed
    aborted: SeparationAborted
    def __init__(self, worker_id: _Optional[str] = ..., job_id: _Optional[str] = ..., attempt: _Optional[int] = ..., succeeded: _Optional[_Union[SeparationSucceeded, _Mapping[str, object]]] = ..., failed: _Optional[_Union[SeparationFailed, _Mapping[str, object]]] = ..., aborted: _Optional[_Union[SeparationAborted, _Mapping[str, object]]] = ...) -> None: ...

class SeparationSucceeded(_message.Message):
    __slots__ = ("manifest_key", "manifest")
    MANIFEST_KEY_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    manifest_key: str
    manifest: bytes
    def __init__(self, manifest_key: _Optional[str] = ..., manifest: _Optional[bytes] = ...) -> None: ...

class SeparationFailed(_message.Message):
    __slots__ = ("code", "message", "retryable")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    retryable: bool
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., retryable: _Optional[bool] = ...) -> None: ...

class SeparationAborted(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...
