import errno
import os
import re
from pathlib import Path

from services.local.logs import PartLog


def test_a_log_never_outgrows_its_files(tmp_path: Path) -> None:
    log = PartLog(tmp_path / "part.log", bytes_per_file=1000, files_kept=3)
    for number in range(1000):
        log.write(f"line {number}\n".encode())
    log.close()
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["part.log", "part.log.1", "part.log.2"]
    assert all(file.stat().st_size <= 1100 for file in files)


def test_lines_stay_whole_and_in_order_over_a_change_of_files(tmp_path: Path) -> None:
    log = PartLog(tmp_path / "part.log", bytes_per_file=40, files_kept=2)
    for piece in (b"first line\nsecond ", b"line, which goes on ", b"and on\nthird line\n"):
        log.write(piece)
    log.close()
    assert (tmp_path / "part.log.1").read_text() == "first line\nsecond line, which goes on and on\n"
    assert (tmp_path / "part.log").read_text() == "third line\n"


def test_a_log_is_continued_by_the_next_run(tmp_path: Path) -> None:
    for text in (b"one\n", b"two\n"):
        log = PartLog(tmp_path / "part.log")
        log.write(text)
        log.close()
    assert (tmp_path / "part.log").read_text() == "one\ntwo\n"


def test_the_last_lines_are_the_newest(tmp_path: Path) -> None:
    log = PartLog(tmp_path / "part.log")
    log.write(b"".join(f"line {number}\n".encode() for number in range(5000)))
    assert log.last_lines(2) == ["line 4998", "line 4999"]
    log.close()


def copied(tmp_path: Path, *pieces: bytes) -> list[str]:
    """What the log has of the pieces that a part printed."""
    log = PartLog(tmp_path / "part.log")
    reader, writer = os.pipe()
    copying = log.follow(reader)
    for piece in pieces:
        os.write(writer, piece)
    os.close(writer)
    copying.join(timeout=60)
    log.close()
    return (tmp_path / "part.log").read_text().splitlines()


def test_the_last_lines_are_none_of_an_earlier_run(tmp_path: Path) -> None:
    before = PartLog(tmp_path / "part.log")
    before.write(b"shut down as asked\n")
    before.close()
    log = PartLog(tmp_path / "part.log")
    assert log.last_lines(8) == []
    log.write(b"wrong setting\n")
    assert log.last_lines(8) == ["wrong setting"]
    log.close()


def test_a_long_line_is_among_the_last_as_a_whole(tmp_path: Path) -> None:
    log = PartLog(tmp_path / "part.log")
    log.write(b'{"exc_info": "' + b"x" * 5000 + b'"}\nthe end\n')
    assert [len(line) for line in log.last_lines(8)] == [5016, 7]
    log.close()


def test_every_line_that_comes_out_of_a_pipe_is_kept_with_its_time(tmp_path: Path) -> None:
    lines = copied(tmp_path, b"one\n", b"tw", b"o\n\nthree, not ended")
    assert [line.split(" ", 1)[1] for line in lines] == ["one", "two", "three, not ended"]
    for line in lines:
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", line)


def test_a_line_of_json_has_its_own_time(tmp_path: Path) -> None:
    assert copied(tmp_path, b'{"time": "now"}\n') == ['{"time": "now"}']


def test_no_line_keeps_the_colours_of_a_terminal(tmp_path: Path) -> None:
    [line] = copied(tmp_path, b"\x1b[1;31mERROR\x1b[0m broker\x1b[K\r\n")
    assert line.endswith("Z ERROR broker")


class OnAFullDisk(PartLog):
    """A log whose disk is full until something is deleted."""

    full = True

    def write(self, data: bytes) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(data)


def test_a_part_on_a_full_disk_can_go_on_talking(tmp_path: Path) -> None:
    log = OnAFullDisk(tmp_path / "part.log")
    reading, writing = os.pipe()
    copy = log.follow(reading)
    for _ in range(10):
        os.write(writing, bytes(64 * 1024))  # blocks for ever where nobody empties the pipe
    log.full = False
    os.write(writing, b"heard again\n")
    os.close(writing)
    copy.join()
    log.close()

    assert (tmp_path / "part.log").read_bytes().endswith(b"heard again\n")
