import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Settlement(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SETTLEMENT_UNSPECIFIED: _ClassVar[Settlement]
    SETTLEMENT_CAPTURED: _ClassVar[Settlement]
    SETTLEMENT_RELEASED: _ClassVar[Settlement]
    SETTLEMENT_EXPIRED: _ClassVar[Settlement]
SETTLEMENT_UNSPECIFIED: Settlement
SETTLEMENT_CAPTURED: Settlement
SETTLEMENT_RELEASED: Settlement
SETTLEMENT_EXPIRED: Settlement

class Balance(_message.Message):
    __slots__ = ("available_credits", "reserved_credits", "version", "previews_left", "debt_credits")
    AVAILABLE_CREDITS_FIELD_NUMBER: _ClassVar[int]
    RESERVED_CREDITS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PREVIEWS_LEFT_FIELD_NUMBER: _ClassVar[int]
    DEBT_CREDITS_FIELD_NUMBER: _ClassVar[int]
    available_credits: int
    reserved_credits: int
    version: int
    previews_left: int
    debt_credits: int
    def __init__(self, available_credits: _Optional[int] = ..., reserved_credits: _Optional[int] = ..., version: _Optional[int] = ..., previews_left: _Optional[int] = ..., debt_credits: _Optional[int] = ...) -> None: ...

class BalanceChanged(_message.Message):
    __slots__ = ("account_id", "balance")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    balance: Balance
    def __init__(self, account_id: _Optional[str] = ..., balance: _Optional[_Union[Balance, _Mapping[str, object]]] = ...) -> None: ...

class ReservationGranted(_message.Message):
    __slots__ = ("job_id", "account_id", "price_credits", "balance")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PRICE_CREDITS_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    account_id: str
    price_credits: int
    balance: Balance
    def __init__(self, job_id: _Optional[str] = ..., account_id: _Optional[str] = ..., price_credits: _Optional[int] = ..., balance: _Optional[_Union[Balance, _Mapping[str, object]]] = ...) -> None: ...

class ReservationRefused(_message.Message):
    __slots__ = ("job_id", "account_id", "code", "detail", "balance")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    account_id: str
    code: str
    detail: str
    balance: Balance
    def __init__(self, job_id: _Optional[str] = ..., account_id: _Optional[str] = ..., code: _Optional[str] = ..., detail: _Optional[str] = ..., balance: _Optional[_Union[Balance, _Mapping[str, object]]] = ...) -> None: ...

class BatchReservationGranted(_message.Message):
    __slots__ = ("batch_id", "account_id", "price_credits", "balance")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PRICE_CREDITS_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    batch_id: str
    account_id: str
    price_credits: int
    balance: Balance
    def __init__(self, batch_id: _Optional[str] = ..., account_id: _Optional[str] = ..., price_credits: _Optional[int] = ..., balance: _Optional[_Union[Balance, _Mapping[str, object]]] = ...) -> None: ...

class BatchReservationRefused(_message.Message):
    __slots__ = ("batch_id", "account_id", "code", "detail", "balance")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    batch_id: str
    account_id: str
    code: str
    detail: str
    balance: Balance
    def __init__(self, batch_id: _Optional[str] = ..., account_id: _Optional[str] = ..., code: _Optional[str] = ..., detail: _Optional[str] = ..., balance: _Optional[_Union[Balance, _Mapping[str, object]]] = ...) -> None: ...

class ReservationSettled(_message.Message):
    __slots__ = ("job_id", "account_id", "settlement", "balance")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    account_id: str
    settlement: Settlement
    balance: Balance
    def __init__(self, job_id: _Optional[str] = ..., account_id: _Optional[str] = ..., settlement: _Optional[_Union[Settlement, str]] = ..., balance: _Optional[_Union[Balance, _Mapping[str, object]]] = ...) -> None: ...

class PaymentSucceeded(_message.Message):
    __slots__ = ("account_id", "payment_id", "name", "total_minor", "tax_minor", "currency", "credits", "receipt_number", "paid_at")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MINOR_FIELD_NUMBER: _ClassVar[int]
    TAX_MINOR_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_NUMBER_FIELD_NUMBER: _ClassVar[int]
    PAID_AT_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    payment_id: str
    name: str
    total_minor: int
    tax_minor: int
    currency: str
    credits: int
    receipt_number: str
    paid_at: _timestamp_pb2.Timestamp
    def __init__(self, account_id: _Optional[str] = ..., payment_id: _Optional[str] = ..., name: _Optional[str] = ..., total_minor: _Optional[int] = ..., tax_minor: _Optional[int] = ..., currency: _Optional[str] = ..., credits: _Optional[int] = ..., receipt_number: _Optional[str] = ..., paid_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping[str, object]]] = ...) -> None: ...

class CreditsLow(_message.Message):
    __slots__ = ("account_id", "available_credits", "threshold_credits")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_CREDITS_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_CREDITS_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    available_credits: int
    threshold_credits: int
    def __init__(self, account_id: _Optional[str] = ..., available_credits: _Optional[int] = ..., threshold_credits: _Optional[int] = ...) -> None: ...
