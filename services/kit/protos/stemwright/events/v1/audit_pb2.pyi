import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OperatorActed(_message.Message):
    __slots__ = ("operator_id", "action", "account_id", "target_id", "reason", "acted_at")
    OPERATOR_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ACTED_AT_FIELD_NUMBER: _ClassVar[int]
    operator_id: str
    action: str
    account_id: str
    target_id: str
    reason: str
    acted_at: _timestamp_pb2.Timestamp
    def __init__(self, operator_id: _Optional[str] = ..., action: _Optional[str] = ..., account_id: _Optional[str] = ..., target_id: _Optional[str] = ..., reason: _Optional[str] = ..., acted_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping[str, object]]] = ...) -> None: ...
