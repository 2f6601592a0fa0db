from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JobMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_MODE_UNSPECIFIED: _ClassVar[JobMode]
    JOB_MODE_FULL: _ClassVar[JobMode]
    JOB_MODE_PREVIEW: _ClassVar[JobMode]
JOB_MODE_UNSPECIFIED: JobMode
JOB_MODE_FULL: JobMode
JOB_MODE_PREVIEW: JobMode

class ReservationRequested(_message.Message):
    __slots__ = ("job_id", "account_id", "price_credits", "mode", "canary")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PRICE_CREDITS_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    CANARY_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    account_id: str
    price_credits: int
    mode: JobMode
    canary: bool
    def __init__(self, job_id: _Optional[str] = ..., account_id: _Optional[str] = ..., price_credits: _Optional[int] = ..., mode: _Optional[_Union[JobMode, str]] = ..., canary: _Optional[bool] = ...) -> None: ...

class BatchReservationRequested(_message.Message):
    __slots__ = ("batch_id", "account_id", "mode", "shares")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    batch_id: str
    account_id: str
    mode: JobMode
    shares: _containers.RepeatedCompositeFieldContainer[BatchShare]
    def __init__(self, batch_id: _Optional[str] = ..., account_id: _Optional[str] = ..., mode: _Optional[_Union[JobMode, str]] = ..., shares: _Optional[_Iterable[_Union[BatchShare, _Mapping[str, object]]]] = ...) -> None: ...

class BatchShare(_message.Message):
    __slots__ = ("job_id", "price_credits")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    PRICE_CREDITS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    price_credits: int
    def __init__(self, job_id: _Optional[str] = ..., price_credits: _Optional[int] = ...) -> None: ...

class UploadStatusRequested(_message.Message):
    __slots__ = ("upload_id",)
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    def __init__(self, upload_id: _Optional[str] = ...) -> None: ...

class UploadFetchRequested(_message.Message):
    __slots__ = ("upload_id", "account_id", "source_url")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_URL_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    account_id: str
    source_url: str
    def __init__(self, upload_id: _Optional[str] = ..., account_id: _Optional[str] = ..., source_url: _Optional[str] = ...) -> None: ...

class RatesRequested(_message.Message):
    __slots__ = ("product",)
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    product: str
    def __init__(self, product: _Optional[str] = ...) -> None: ...

class BalanceRequested(_message.Message):
    __slots__ = ("account_id",)
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    def __init__(self, account_id: _Optional[str] = ...) -> None: ...
