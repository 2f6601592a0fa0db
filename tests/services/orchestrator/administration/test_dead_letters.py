"""What operators do about records that nobody could handle."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from services.kit.events.codec import Draft, OutgoingEvent, Record, encode
from services.kit.events.dead_letter_box import DeadLetter
from services.kit.events.topics import AUDIT, UPLOADS
from services.kit.ids import new_id
from services.kit.protos import uploads_pb2
from services.kit.tables import OUTBOX
from services.orchestrator.administration.dead_letters import DeadLetters
from tests.messages import ACCOUNT, UPLOAD, sample
from tests.services.orchestrator.world import World, bearer

OPERATOR = new_id("usr")
RECORD = encode(OutgoingEvent(UPLOADS, UPLOAD, sample(uploads_pb2.UploadReady)))


class Box:
    """Letters that are there, by name."""

    def __init__(self) -> None:
        self.letters = {name: letter(name, RECORD) for name in (name_of(number) for number in range(3))}

    def newest(self, passed_over: Iterable[str] = ()) -> list[DeadLetter]:
        self.passed_over = set(passed_over)
        return [replace(each, raw=None) for each in self.letters.values()]

    def find(self, name: str) -> DeadLetter | None:
        return self.letters.get(name)


def name_of(number: int) -> str:
    return f"uploads-v1-0-{number}-{'0' * 12}"


def letter(name: str, record: Record) -> DeadLetter:
    return DeadLetter(
        name=name,
        topic=UPLOADS,
        consumer="orchestrator",
        reason="its handler failed 6 times: KeyError",
        died_at=datetime(2026, 11, 22, tzinfo=UTC),
        type="stemwright.events.v1.UploadReady",
        event_id="evt_1",
        account_id=ACCOUNT,
        key=UPLOAD,
        size_bytes=len(record.value),
        from_partition=0,
        from_offset=5,
        raw=Draft(record),
    )


@pytest.fixture
def box(world: World) -> Box:
    box = Box()
    world.app.state.dead_letters = DeadLetters(world.database, box)  # type: ignore[arg-type]
    return box


def call(world: World, method: str, path: str = "", **options: Any) -> Any:
    answer = world.client.request(
        method, f"/v1/admin/dead-letters{path}", headers=bearer(f"{OPERATOR}/operator"), **options
    )
    return {"http": answer.status_code, **answer.json()}


def waiting(world: World) -> list[tuple[str, bytes]]:
    with world.database.read() as session:
        rows = session.execute(select(OUTBOX.c.topic, OUTBOX.c.value).order_by(OUTBOX.c.id)).all()
    return [(row.topic, row.value) for row in rows if row.topic in {UPLOADS.name, AUDIT.name}]


def test_a_letter_is_seen_and_replayed_once(world: World, box: Box) -> None:
    first = f"/{name_of(0)}"
    seen = call(world, "GET", first)
    assert (seen["status"], seen["content"]["upload_id"], seen["content"]["filename"]) == ("open", UPLOAD, None)

    done = call(world, "POST", f"{first}/replay", json={"reason": "Mended"})
    again = call(world, "POST", f"{first}/replay", json={"reason": "Twice"})

    assert (done["http"], done["status"], done["decided_because"]) == (200, "replayed", "Mended")
    assert (again["http"], again["code"]) == (409, "dead_letter_decided")
    assert [topic for topic, _ in waiting(world)] == [AUDIT.name, UPLOADS.name]
    assert waiting(world)[1][1] == RECORD.value


def test_a_letter_is_discarded_with_a_reason_and_listed_no_more(world: World, box: Box) -> None:
    assert call(world, "POST", f"/{name_of(1)}/discard")["http"] == 422
    assert call(world, "POST", f"/{name_of(1)}/discard", json={"reason": "A test"})["status"] == "discarded"
    assert call(world, "POST", f"/{name_of(1)}/replay", json={"reason": "x"})["code"] == "dead_letter_decided"

    page = call(world, "GET", params={"status": "open", "limit": 1})
    rest = call(world, "GET", params={"status": "open", "limit": 1, "cursor": page["next_cursor"]})

    assert [item["id"] for item in page["items"] + rest["items"]] == [name_of(0), name_of(2)]
    assert rest["next_cursor"] is None
    assert [topic for topic, _ in waiting(world)] == [AUDIT.name]


def test_pages_go_on_behind_a_letter_that_was_dealt_with_meanwhile(world: World, box: Box) -> None:
    """And what was dealt with takes no place of what is open."""
    page = call(world, "GET", params={"status": "open", "limit": 2})
    for item in page["items"]:
        call(world, "POST", f"/{item['id']}/discard", json={"reason": "A test"})

    rest = call(world, "GET", params={"status": "open", "limit": 2, "cursor": page["next_cursor"]})

    assert [item["id"] for item in page["items"] + rest["items"]] == [name_of(0), name_of(1), name_of(2)]
    assert box.passed_over == {name_of(0), name_of(1)}
    call(world, "GET", params={"status": "discarded"})
    assert box.passed_over == set()


def test_what_is_not_whole_is_not_replayed(world: World, box: Box) -> None:
    box.letters[name_of(0)] = replace(box.letters[name_of(0)], size_bytes=900_000)
    assert call(world, "POST", f"/{name_of(0)}/replay", json={"reason": "x"})["code"] == "dead_letter_not_replayable"
    for path in (f"/{name_of(9)}", "/nonsense"):
        assert call(world, "GET", path)["code"] == "dead_letter_not_found"
    assert waiting(world) == []
