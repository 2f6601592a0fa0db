from services.kit.protos.stemwright.events.v1 import separation_pb2 as _separation_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WorkerHeartbeat(_message.Message):
    __slots__ = ("worker_id", "sequence", "slots", "assignments_partition", "running", "finished", "models", "device", "speed", "stopping", "host", "runtime", "passed_over")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENTS_PARTITION_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    SPEED_FIELD_NUMBER: _ClassVar[int]
    STOPPING_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    PASSED_OVER_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    sequence: int
    slots: int
    assignments_partition: int
    running: _containers.RepeatedCompositeFieldContainer[RunningAttempt]
    finished: _containers.RepeatedCompositeFieldContainer[_separation_pb2.SeparationFinished]
    models: _containers.RepeatedCompositeFieldContainer[_separation_pb2.Model]
    device: str
    speed: float
    stopping: bool
    host: str
    runtime: str
    passed_over: _containers.RepeatedCompositeFieldContainer[PassedOverRuntime]
    def __init__(self, worker_id: _Optional[str] = ..., sequence: _Optional[int] = ..., slots: _Optional[int] = ..., assignments_partition: _Optional[int] = ..., running: _Optional[_Iterable[_Union[RunningAttempt, _Mapping[str, object]]]] = ..., finished: _Optional[_Iterable[_Union[_separation_pb2.SeparationFinished, _Mapping[str, object]]]] = ..., models: _Optional[_Iterable[_Union[_separation_pb2.Model, _Mapping[str, object]]]] = ..., device: _Optional[str] = ..., speed: _Optional[float] = ..., stopping: _Optional[bool] = ..., host: _Optional[str] = ..., runtime: _Optional[str] = ..., passed_over: _Optional[_Iterable[_Union[PassedOverRuntime, _Mapping[str, object]]]] = ...) -> None: ...

class PassedOverRuntime(_message.Message):
    __slots__ = ("model", "runtime", "reason")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    model: str
    runtime: str
    reason: str
    def __init__(self, model: _Optional[str] = ..., runtime: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class RunningAttempt(_message.Message):
    __slots__ = ("job_id", "attempt", "stage", "fraction", "playable_seconds")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    PLAYABLE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    attempt: int
    stage: str
    fraction: float
    playable_seconds: float
    def __init__(self, job_id: _Optional[str] = ..., attempt: _Optional[int] = ..., stage: _Optional[str] = ..., fraction: _Optional[float] = ..., playable_seconds: _Optional[float] = ...) -> None: ...
