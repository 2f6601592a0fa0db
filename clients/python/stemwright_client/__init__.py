"""A client of the Stemwright platform: a song in, its vocals and the song without them out.

    from stemwright_client import Client

    with Client() as client:                      # STEMWRIGHT_API_KEY, STEMWRIGHT_URL
        separation = client.separate("song.mp3", "out/")
        print(separation.files["vocals"])

`AsyncClient` is the same with `await`; `webhooks.verify` says whether a webhook is from the platform.
"""

from stemwright_client import webhooks
from stemwright_client.async_client import AsyncClient
from stemwright_client.client import Client
from stemwright_client.connection import NoAddress, NoKey
from stemwright_client.errors import (
    ApiError,
    Conflict,
    ConnectionFailed,
    DownloadDamaged,
    EnvironmentUnusable,
    EventsMissed,
    Forbidden,
    InsufficientCredits,
    Invalid,
    JobFailed,
    NotFound,
    RateLimited,
    SignatureInvalid,
    StemwrightError,
    StoreError,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    UploadRejected,
    WaitExpired,
)
from stemwright_client.flows.songs import Separation
from stemwright_client.models import Balance, Event, Job, Quote, Stem, Upload
from stemwright_client.orders import Order
from stemwright_client.progress import Progress, Stage
from stemwright_client.songs import Outcome

__all__ = [
    "ApiError",
    "AsyncClient",
    "Balance",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "DownloadDamaged",
    "EnvironmentUnusable",
    "Event",
    "EventsMissed",
    "Forbidden",
    "InsufficientCredits",
    "Invalid",
    "Job",
    "JobFailed",
    "NoAddress",
    "NoKey",
    "NotFound",
    "Order",
    "Outcome",
    "Progress",
    "Quote",
    "RateLimited",
    "Separation",
    "SignatureInvalid",
    "Stage",
    "Stem",
    "StemwrightError",
    "StoreError",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "Upload",
    "UploadRejected",
    "WaitExpired",
    "webhooks",
]
