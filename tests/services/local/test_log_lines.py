"""Logs of several parts as one text, in the order of time, and as they are written."""

import json
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from services.local.errors import LocalError
from services.local.log_lines import Follower, Line, chosen_parts, last_lines
from services.local.logs import PartLog


def record(second: int, message: str, **more: object) -> str:
    return json.dumps({"time": f"2026-01-01T00:00:{second:02}.000Z", "level": "INFO", "message": message, **more})


def write(folder: Path, part: str, *lines: str) -> None:
    (folder / f"{part}.log").write_text("".join(f"{line}\n" for line in lines))


def test_lines_of_all_parts_are_in_the_order_of_their_times(tmp_path: Path) -> None:
    write(tmp_path, "gateway", record(1, "first"), record(4, "fourth"))
    write(tmp_path, "broker", "2026-01-01T00:00:02.500Z second", "third, without a time")
    found = last_lines(tmp_path, ["broker", "gateway"], 10)
    assert [(line.part, line.readable().split()[-1]) for line in found] == [
        ("gateway", "first"),
        ("broker", "second"),
        ("broker", "time"),
        ("gateway", "fourth"),
    ]


def test_the_number_of_lines_is_that_of_all_parts_together(tmp_path: Path) -> None:
    for part in ("one", "two"):
        write(tmp_path, part, *(record(second, f"{part} {second}") for second in range(20)))
    assert [line.readable().split("INFO    ")[1] for line in last_lines(tmp_path, ["one", "two"], 3)] == [
        "two 18",
        "one 19",
        "two 19",
    ]
    assert last_lines(tmp_path, ["one", "two"], 0) == []


def test_what_lies_in_the_files_before_is_read_too(tmp_path: Path) -> None:
    log = PartLog(tmp_path / "part.log", bytes_per_file=100)
    for number in range(6):
        log.write(f"line number {number} of the log of a part\n".encode())
    log.close()
    assert (tmp_path / "part.log.1").exists()
    texts = [line.text.split()[2] for line in last_lines(tmp_path, ["part"], 5)]
    assert texts == ["1", "2", "3", "4", "5"]


def test_a_record_is_told_by_time_level_message_and_whatever_else_it_holds() -> None:
    line = Line("gateway", record(7, "GET /v1/me 200", request_id="abc", trace_id=None, service="gateway"))
    assert line.readable() == "2026-01-01T00:00:07.000Z INFO    GET /v1/me 200 request_id=abc"


def test_the_trace_of_an_error_follows_its_line() -> None:
    line = Line("gateway", record(7, "it failed", exc_info="Traceback\nValueError: no"))
    assert line.readable().split("\n")[1:] == ["Traceback", "ValueError: no"]


@pytest.mark.parametrize("text", ["{no json", "plain words"])
def test_what_is_no_record_is_told_as_it_is(text: str) -> None:
    assert Line("broker", text).readable() == text


def test_lines_are_followed_over_a_change_of_files(tmp_path: Path) -> None:
    log = PartLog(tmp_path / "part.log", bytes_per_file=100)
    log.write(b"written before\n")
    written = iter(range(6))

    def write_another(_seconds: float) -> None:
        log.write(f"line number {next(written)} of the log of a part\n".encode())

    with closing(log), closing(Follower(tmp_path, ["part"], pause=write_another)) as follower:
        texts = [line.text.split()[2] for line in islice(follower, 6)]

    assert (tmp_path / "part.log.1").exists()
    assert texts == ["0", "1", "2", "3", "4", "5"]


def test_a_line_is_told_when_it_is_whole(tmp_path: Path) -> None:
    log = PartLog(tmp_path / "part.log")
    pieces = iter([b"one ", b"line\n"])
    with closing(log), closing(Follower(tmp_path, ["part"], pause=lambda _: log.write(next(pieces)))) as follower:
        assert next(iter(follower)).text == "one line"


def test_parts_that_have_no_log_are_told_with_those_that_have(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="nothing was started in this home yet"):
        chosen_parts(tmp_path, [])
    write(tmp_path, "gateway", "x")
    write(tmp_path, "broker", "x")
    with pytest.raises(LocalError, match="no log of gatewy; there are those of broker, gateway"):
        chosen_parts(tmp_path, ["gatewy"])
    assert chosen_parts(tmp_path, []) == ["broker", "gateway"]


def test_an_error_in_a_line_is_what_was_raised_and_not_where() -> None:
    trace = 'Traceback (most recent call last):\n  File "x.py", line 1, in y\nValueError: no such thing\n'
    line = Line("worker-1", record(1, "could not begin", exc_info=trace))
    assert line.in_a_line() == "INFO    could not begin: ValueError: no such thing"
    assert Line("worker-1", "plain").in_a_line() == "plain"
