"""What each line of a log says of whom and what it is about."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient

from services.kit.app import create_app
from services.kit.auth import Principal
from services.kit.dependencies import CurrentPrincipal
from services.kit.events.codec import Event, job_of
from services.kit.protos import separation_pb2
from services.kit.telemetry import _TraceFilter, use_ids
from tests.ids import numbered

ACCOUNT, JOB = numbered("usr", 1), numbered("job", 1)
router = APIRouter()


@router.get("/v1/jobs/{job_id}")
def read_job(job_id: str, principal: CurrentPrincipal) -> str:
    logging.getLogger("services.test").info("looked at %s", job_id)
    return principal.account_id


class AnyToken:
    def verify(self, token: str) -> Principal:
        return Principal(ACCOUNT, frozenset({"user"}), frozenset({"jobs"}), token)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    known = _TraceFilter("test")
    caplog.handler.addFilter(known)
    caplog.set_level(logging.INFO)
    yield caplog
    caplog.handler.removeFilter(known)


def fields(record: logging.LogRecord) -> tuple[Any, Any, Any]:
    seen = vars(record)
    return seen["account_id"], seen["job_id"], seen["request_id"]


def test_the_line_of_a_request_names_account_job_and_request_and_not_the_token(told: pytest.LogCaptureFixture) -> None:
    app = create_app(name="test", title="Test", routers=[router], state={"verifier": AnyToken()})
    headers = {"Authorization": "Bearer a-secret-token", "X-Request-Id": "req-7"}
    assert TestClient(app).get(f"/v1/jobs/{JOB}?note=a-secret-note", headers=headers).json() == ACCOUNT
    assert TestClient(app).get("/v1/jobs/nothing").status_code == 401
    first, second = (record for record in told.records if record.name == "services.kit.middleware")
    assert fields(first) == (ACCOUNT, JOB, "req-7")
    assert (vars(first)["path"], vars(first)["status"]) == (f"/v1/jobs/{JOB}", 200)
    assert fields(second) == (None, None, None)
    ours = [vars(record) for record in told.records if record.name.startswith("services.")]  # httpx2 is the test's own
    assert ours
    assert "a-secret" not in str(ours)


def test_lines_of_work_on_a_job_name_it_and_others_do_not(told: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("services.test")
    with use_ids(account_id=ACCOUNT):
        with use_ids(job_id=JOB, filename="a song"):
            log.info("inside")
            log.info("of another", extra={"job_id": numbered("job", 2)})
        log.info("between")
    log.info("outside")
    assert [fields(record)[:2] for record in told.records] == [
        (ACCOUNT, JOB),
        (ACCOUNT, numbered("job", 2)),
        (ACCOUNT, None),
        (None, None),
    ]
    assert "a song" not in str([vars(record) for record in told.records])


def test_a_line_that_speaks_of_one_job_or_account_names_it_though_nobody_has_said_so(
    told: pytest.LogCaptureFixture,
) -> None:
    log, another = logging.getLogger("services.test"), numbered("job", 2)
    log.info("job %s of %s goes on, says %s", JOB, ACCOUNT, JOB)
    log.info("%s comes before %s", JOB, another)
    log.info("https://example.com/a%sb", JOB)
    with use_ids(job_id=another):
        log.info("a retry of %s", JOB)
    assert [fields(record)[:2] for record in told.records] == [
        (ACCOUNT, JOB),
        (None, None),
        (None, None),
        (None, another),
    ]


def event(data: Any) -> Event:
    from datetime import UTC, datetime

    facts: dict[str, Any] = {"id": "evt_1", "type": "t", "source": "s", "subject": None, "time": datetime.now(UTC)}
    where: dict[str, Any] = {"traceparent": None, "topic": "t", "partition": 0, "offset": 0, "key": "k"}
    return Event(**facts, **where, data=data, account_id=None)


def test_events_say_which_job_they_are_about() -> None:
    assert job_of(event(separation_pb2.SeparationProgress(job_id=JOB))) == JOB
    assert job_of(event({"job": {"id": JOB}})) == JOB
    for nothing in ({}, {"job": None}, {"job": {"id": 7}}, separation_pb2.SeparationProgress()):
        assert job_of(event(nothing)) is None


def test_every_line_has_the_fields_also_those_of_libraries() -> None:
    program = (
        "import logging; from services.kit.telemetry import configure_logging, use_ids; configure_logging('upload')\n"
        "logging.getLogger('library').warning('alone')\n"
        "with use_ids(job_id='job_1'): logging.getLogger('library').warning('on a job')"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    alone, on_a_job = map(json.loads, ran.stdout.splitlines())
    assert (alone["account_id"], alone["job_id"], alone["request_id"], alone["trace_id"]) == (None,) * 4
    assert on_a_job["job_id"] == "job_1"
