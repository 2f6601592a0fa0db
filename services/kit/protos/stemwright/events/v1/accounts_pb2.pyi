import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AccountErased(_message.Message):
    __slots__ = ("account_id", "erasure_id", "erased_at")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    ERASURE_ID_FIELD_NUMBER: _ClassVar[int]
    ERASED_AT_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    erasure_id: str
    erased_at: _timestamp_pb2.Timestamp
    def __init__(self, account_id: _Optional[str] = ..., erasure_id: _Optional[str] = ..., erased_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping[str, object]]] = ...) -> None: ...

class AccountChanged(_message.Message):
    __slots__ = ("account_id", "roles", "plan", "disabled", "changed_at")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_AT_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    roles: _containers.RepeatedScalarFieldContainer[str]
    plan: str
    disabled: bool
    changed_at: _timestamp_pb2.Timestamp
    def __init__(self, account_id: _Optional[str] = ..., roles: _Optional[_Iterable[str]] = ..., plan: _Optional[str] = ..., disabled: _Optional[bool] = ..., changed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping[str, object]]] = ...) -> None: ...

class AccountErasureReceipt(_message.Message):
    __slots__ = ("account_id", "erasure_id", "service", "erased", "finished_at")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    ERASURE_ID_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    ERASED_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    erasure_id: str
    service: str
    erased: _containers.RepeatedCompositeFieldContainer[ErasedRecords]
    finished_at: _timestamp_pb2.Timestamp
    def __init__(self, account_id: _Optional[str] = ..., erasure_id: _Optional[str] = ..., service: _Optional[str] = ..., erased: _Optional[_Iterable[_Union[ErasedRecords, _Mapping[str, object]]]] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping[str, object]]] = ...) -> None: ...

class ErasedRecords(_message.Message):
    __slots__ = ("kind", "count")
    KIND_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    kind: str
    count: int
    def __init__(self, kind: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...
