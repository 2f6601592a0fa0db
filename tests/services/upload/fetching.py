"""Uploads that are to be fetched, and who fetches them."""

import json
from typing import Any

from services.kit.outbound.fetcher import Fetcher, Resolve
from services.kit.storage import ObjectStorage
from services.upload.cleaning import Cleaner
from services.upload.fetching import SourceFetcher
from services.upload.places import Places
from services.upload.schemas import NewSource
from services.upload.service import Uploads
from services.upload.settings import Settings
from tests.databases import PATIENCE_SECONDS
from tests.services.upload.conftest import Parts
from tests.services.upload.validating import ACCOUNT


def fetching(settings: Settings, **changes: Any) -> Settings:
    """Settings under which this machine may be named."""
    return settings.model_copy(update={"outbound_allow_loopback": True, "fetch_retry_seconds": 7, **changes})


def under_its_settings(parts: Parts) -> Uploads:
    """The uploads of a service, which follow the settings that its other parts have by now."""
    parts.uploads.settings, parts.uploads.places = parts.settings, Places(parts.settings)
    return parts.uploads


def named(parts: Parts, url: str, *, account: str = ACCOUNT, **fields: Any) -> str:
    """The id of an upload that is to be fetched."""
    answer = under_its_settings(parts).create(account, NewSource(source_url=url, **fields), None)
    upload_id: str = json.loads(bytes(answer.body))["id"]
    return upload_id


def fetcher(parts: Parts, storage: ObjectStorage | None = None, *, resolve: Resolve | None = None) -> SourceFetcher:
    store = storage or parts.storage
    return SourceFetcher(
        1,
        parts.database,
        store,
        parts.settings,
        fetcher=Fetcher(parts.settings, timeout_seconds=PATIENCE_SECONDS, resolve=resolve),
        cleaner=Cleaner(parts.database, store),
        source_signal=parts.source_signal,
        work_signal=parts.work_signal,
        status_signals=parts.status_signals,
    )
