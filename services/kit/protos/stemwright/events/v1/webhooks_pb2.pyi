import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WebhookEndpointDisabled(_message.Message):
    __slots__ = ("account_id", "endpoint_id", "endpoint_url", "disabled_because", "disabled_at")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_ID_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_URL_FIELD_NUMBER: _ClassVar[int]
    DISABLED_BECAUSE_FIELD_NUMBER: _ClassVar[int]
    DISABLED_AT_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    endpoint_id: str
    endpoint_url: str
    disabled_because: str
    disabled_at: _timestamp_pb2.Timestamp
    def __init__(self, account_id: _Optional[str] = ..., endpoint_id: _Optional[str] = ..., endpoint_url: _Optional[str] = ..., disabled_because: _Optional[str] = ..., disabled_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping[str, object]]] = ...) -> None: ...
