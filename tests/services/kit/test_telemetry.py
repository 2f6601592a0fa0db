"""What every service writes to standard output: JSON, one line for each record, to the millisecond, without colours."""

import json
import re
import subprocess
import sys
from typing import Any

PROGRAM = """
import logging, warnings
from services.kit.telemetry import configure_logging
configure_logging("upload", log_format={log_format!r})
logging.getLogger("uvicorn.error").info("started %d", 7, extra={{"color_message": "started \\x1b[36m%d\\x1b[0m"}})
logging.getLogger("somewhere").warning("two\\nlines")
warnings.warn("old ways")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("services").exception("it failed")
"""


def written(log_format: str) -> list[str]:
    program = PROGRAM.format(log_format=log_format)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    return ran.stdout.splitlines()


def test_each_record_is_one_line_of_json_whoever_wrote_it() -> None:
    records: list[dict[str, Any]] = [json.loads(line) for line in written("json")]
    assert [(record["logger"], record["level"]) for record in records] == [
        ("uvicorn.error", "INFO"),
        ("somewhere", "WARNING"),
        ("py.warnings", "WARNING"),
        ("services", "ERROR"),
    ]
    assert {record["service"] for record in records} == {"upload"}
    assert records[1]["message"] == "two\nlines"
    assert "ZeroDivisionError" in records[3]["exc_info"]


def test_times_are_utc_to_the_millisecond() -> None:
    for line in written("json"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", json.loads(line)["time"])


def test_no_line_has_colours() -> None:
    for line in (*written("json"), *written("console")):
        assert "\x1b" not in line
        assert "u001b" not in line
