"""What the demo makes of answers that a busy platform gives."""

from typing import Any, cast

import pytest
from rich.console import Console

from services.local.client import Client
from services.local.demo import refuse_unpaid
from services.local.errors import DemoFailed


class Platform:
    """A client of a platform that has taken an order with 202, and whose job then ends so."""

    def __init__(self, **ended: Any) -> None:
        self._job = {"id": "job_1", "error": None, **ended}

    def create_job(self, _upload_id: str) -> dict[str, Any]:
        return {"id": "job_1", "status": "reserving"}

    def wait_for_job(self, job_id: str) -> dict[str, Any]:
        assert job_id == "job_1"
        return self._job


def test_an_order_that_is_refused_later_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    busy = Platform(status="rejected", error={"code": "insufficient_credits", "message": "There are none."})

    refuse_unpaid(cast("Client", busy), "upl_1", Console())

    assert "without credits: rejected, insufficient_credits" in capsys.readouterr().out


@pytest.mark.parametrize(
    "ended",
    [{"status": "succeeded"}, {"status": "rejected", "error": {"code": "upload_not_found", "message": "No."}}],
    ids=["done", "refused for another reason"],
)
def test_any_other_end_is_a_failure(ended: dict[str, Any]) -> None:
    with pytest.raises(DemoFailed, match=ended["status"]):
        refuse_unpaid(cast("Client", Platform(**ended)), "upl_1", Console())
