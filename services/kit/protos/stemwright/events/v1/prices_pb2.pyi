import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RatesTold(_message.Message):
    __slots__ = ("product", "rates", "told_at")
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    RATES_FIELD_NUMBER: _ClassVar[int]
    TOLD_AT_FIELD_NUMBER: _ClassVar[int]
    product: str
    rates: _containers.RepeatedCompositeFieldContainer[Rate]
    told_at: _timestamp_pb2.Timestamp
    def __init__(self, product: _Optional[str] = ..., rates: _Optional[_Iterable[_Union[Rate, _Mapping[str, object]]]] = ..., told_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping[str, object]]] = ...) -> None: ...

class Rate(_message.Message):
    __slots__ = ("rate_id", "model", "tier", "millicredits_per_second", "valid_from", "valid_to")
    RATE_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    MILLICREDITS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    VALID_FROM_FIELD_NUMBER: _ClassVar[int]
    VALID_TO_FIELD_NUMBER: _ClassVar[int]
    rate_id: str
    model: str
    tier: str
    millicredits_per_second: int
    valid_from: _timestamp_pb2.Timestamp
    valid_to: _timestamp_pb2.Timestamp
    def __init__(self, rate_id: _Optional[str] = ..., model: _Optional[str] = ..., tier: _Optional[str] = ..., millicredits_per_second: _Optional[int] = ..., valid_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping[str, object]]] = ..., valid_to: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping[str, object]]] = ...) -> None: ...
