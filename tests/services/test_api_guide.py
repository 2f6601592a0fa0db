"""The guide to the API says what the API does: each code that it can answer, each path that it names."""

import importlib
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from separation.errors import AudioError, SeparationError
from services.accounts.ledger.holds import Refusal
from services.gateway.routes import ROUTES
from services.kit.errors import StemwrightError
from services.orchestrator.jobs.errors import OutputUnsuitable, PreviewOutside
from services.orchestrator.uploads.errors import UploadNotFound
from services.upload.probe.__main__ import TooManySamples, TooMuchMemory
from services.worker.errors import AttemptFailed, WorkerBusy

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
TABLE = {
    (int(row[1]), code)
    for row in re.finditer(r"^\| (\d{3}) \| ([^|]+) \|", GUIDE, re.MULTILINE)
    for code in re.findall(r"`([a-z_]+)`", row[2])
}
INTERNAL = {
    *("conflict", "not_found", "payment_required", "object_not_found", "multipart_not_found", "storage_refused"),
    "session_ended",
    "email_taken",
}
"""Of errors that always have a code of their own by the time a client sees them."""

OF_UPLOADS = {kind.code for kind in AudioError.__subclasses__()} | {AudioError.code}
"""They have a table of their own."""
OF_OTHER_CALLERS = {
    *("separation_failed", "request_invalid", "argument_invalid", "settings_invalid", "stem_unknown", "cancelled"),
    *("output_replaces_input", "output_names_clash", "report_unavailable"),
    *("model_not_found", "model_source_unavailable"),
}
"""What only the command line and the library can be asked, or a worker before it takes a job; and whole kinds."""


def test_every_code_that_the_document_names_has_a_row() -> None:
    document = json.loads((ROOT / "services" / "gateway" / "openapi.json").read_text(encoding="utf-8"))
    shared = document["components"]["responses"]
    told = set()
    for item in document["paths"].values():
        for operation in item.values():
            for status, response in operation["responses"].items():
                described = shared[response["$ref"].rpartition("/")[2]] if "$ref" in response else response
                if status[0] in "45":
                    told |= {(int(status), code) for code in re.findall(r"\(?`([a-z_]+)`", described["description"])}
    assert told
    assert told <= TABLE


@pytest.mark.parametrize("service", ["accounts", "upload", "orchestrator", "notifier", "gateway", "kit"])
def test_every_error_that_a_service_raises_towards_clients_has_a_row(service: str) -> None:
    files = sorted((ROOT / "services" / service).rglob("errors.py"))
    assert files
    modules = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    errors = [
        value
        for module in modules
        for value in vars(importlib.import_module(module)).values()
        if isinstance(value, type) and issubclass(value, StemwrightError)
    ]
    missing = {
        (error.status, error.code) for error in errors if "code" in vars(error) and error.code not in INTERNAL
    } - TABLE
    assert not missing


def test_every_reason_why_an_upload_is_rejected_has_a_row() -> None:
    code = r"Rejection\(\s*\"([a-z0-9_]+)\""
    given = {
        found for file in (ROOT / "services" / "upload").rglob("*.py") for found in re.findall(code, file.read_text())
    }
    refusals: tuple[type[AudioError], ...] = (*AudioError.__subclasses__(), TooManySamples, TooMuchMemory)
    given |= {error.code for error in refusals}
    told = GUIDE.partition("## A song up")[2].partition("## An order")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", told, re.MULTILINE)
    assert {found for row in rows for found in re.findall(r"`([a-z0-9_]+)`", row)} - {"code"} == given


def codes_of(kind: type[Exception]) -> set[str]:
    """Of an error and of all below it in its module, whatever else is imported; some have that of the one above."""
    named = vars(sys.modules[kind.__module__]).values()
    return {
        str(vars(one)["code"])
        for one in named
        if isinstance(one, type) and issubclass(one, kind)
        if "code" in vars(one)
    }


def test_every_reason_why_a_job_does_not_succeed_has_a_row() -> None:
    ends = re.compile(r"\.(?:refuse|give_up|fail_attempt)\(\s*session, job, (?:\"(\w+)\"|([\w.]+)\.code)")
    modules = sorted((ROOT / "services" / "orchestrator").rglob("*.py"))
    found = [match for module in modules for match in ends.findall(module.read_text(encoding="utf-8"))]
    given = {literal for literal, _ in found if literal}
    # Codes of two errors, of a worker's outcome and of accounts' refusal.
    assert {name for _, name in found if name} == {"UploadNotFound", "error", "failed", "event.data"}
    given |= {kind.code for kind in (UploadNotFound, PreviewOutside, OutputUnsuitable)}
    given |= {refusal.value for refusal in Refusal} - {Refusal.JOB_ENDED}  # what has ended needs no credits
    given |= codes_of(AttemptFailed) - {WorkerBusy.code}  # goes to another worker

    told = GUIDE.partition("**Why one did not succeed**")[2].partition("\n## ")[0]
    rows = {
        row[1]: row[2] for row in re.finditer(r"^\| `(?:rejected|failed)` \| ([^|]+) \| ([^|]+) \|", told, re.MULTILINE)
    }
    codes = set(re.findall(r"`([a-z_]+)`", " ".join(rows)))
    assert given <= codes
    assert codes - given == codes_of(SeparationError) - OF_UPLOADS - OF_OTHER_CALLERS - given


def test_every_path_that_it_names_is_one() -> None:
    named = {
        re.sub(r"\{[^}]*\}", "{}", path) for path in re.findall(r"`(?:GET|POST|PUT|DELETE|PATCH) (/v1/[^`?]*)`", GUIDE)
    }
    assert named
    assert named <= {re.sub(r"\{[^}]*\}", "{}", route.path) for route in ROUTES}


def test_what_it_links_to_is_there() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", GUIDE):
        assert (ROOT / "docs" / link).exists(), link


def programs() -> dict[str, str]:
    (pasted,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    return {"guide": pasted, "example": (ROOT / "examples" / "separate_song.py").read_text(encoding="utf-8")}


@pytest.mark.parametrize("program", ["guide", "example"])
def test_an_empty_file_is_refused_before_anything_is_sent(program: str, tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    nobody = {"STEMWRIGHT_URL": "http://127.0.0.1:9", "STEMWRIGHT_EMAIL": "me@example.com", "STEMWRIGHT_PASSWORD": "x"}
    command = [sys.executable, "-c", programs()[program], "empty.wav"]
    refused = subprocess.run(command, env=nobody, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert re.fullmatch(r"empty\.wav.*: The file is empty\.\n", refused.stderr)


@pytest.mark.parametrize(
    ("quality", "words"),
    [
        ({"sum_is_exact": True, "null_residual_dbfs": None}, "exactly"),
        ({"sum_is_exact": False, "null_residual_dbfs": None}, "exactly, before they were encoded"),
        ({"sum_is_exact": False, "null_residual_dbfs": -96.33}, "but for -96.3 dBFS"),
    ],
)
def test_the_program_says_how_exactly_the_stems_sum(quality: dict[str, object], words: str) -> None:
    assert runpy.run_path(str(ROOT / "examples" / "separate_song.py"))["how_exactly"](quality) == words
