"""Who may send a file through the service, and how slowly."""

import pytest

from services.kit.s3 import S3Storage
from services.upload.errors import TooManyTransfers, TransferStalled, UploadNotFound
from services.upload.models import Upload
from services.upload.service import Uploads
from services.upload.settings import Settings
from services.upload.transfers import MinimumRate, Transfers

NOWHERE = S3Storage.from_settings(Settings())
"""Makes no connection before it is used."""


def test_pace_is_measured_over_the_time_that_was_waited() -> None:
    rate = MinimumRate(bytes_per_second=100, window_seconds=10)
    for _ in range(30):
        rate.note(100, 1)
    rate.note(1_000, 0)
    rate.note(0, 9)
    rate.note(0, 1)
    rate.note(999, 9)
    with pytest.raises(TransferStalled):
        rate.note(0, 1)


class Places(Uploads):
    """Takes every transfer of an upload that is called for its account."""

    def __init__(self) -> None:
        """Needs neither database nor store."""

    def expect_transfer(self, account_id: str, upload_id: str, length: int | None) -> Upload:
        if not upload_id.startswith(account_id):
            raise UploadNotFound
        return Upload(id=upload_id, account_id=account_id, size_bytes=length)

    begin_transfer = expect_transfer


def test_some_places_are_kept_for_accounts_that_have_none() -> None:
    settings = Settings(max_transfers=8, max_transfers_per_account=3)
    transfers = Transfers(Places(), NOWHERE, settings)
    for account in ("a", "a", "a", "b", "b", "b"):
        transfers.begin(account, f"{account}-1", 1)

    for account in ("a", "b"):
        with pytest.raises(TooManyTransfers):
            transfers.begin(account, f"{account}-2", 1)
    third = transfers.begin("c", "c-1", 1)
    with pytest.raises(TooManyTransfers):
        transfers.begin("c", "c-2", 1)
    transfers.begin("d", "d-1", 1)
    with pytest.raises(TooManyTransfers):
        transfers.begin("e", "e-1", 1)
    third.close()
    transfers.begin("e", "e-1", 1)


def test_an_upload_that_is_not_there_takes_no_place() -> None:
    transfers = Transfers(Places(), NOWHERE, Settings(max_transfers=1))
    transfers.begin("a", "a-1", 1)

    with pytest.raises(UploadNotFound):
        transfers.begin("b", "of-another", 1)
