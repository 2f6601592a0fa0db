"""Words of the catalogues that name what the platform itself names."""

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from separation.errors import AudioError
from services.worker.errors import AttemptFailed

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "web" / "src"
_NAME = re.compile(r'^    "([^"]+)": "', re.MULTILINE)
_CALL = re.compile(r'api\.(GET|POST|PUT|PATCH|DELETE)\(\s*"([^"]+)"')
_CODE = re.compile(r"`(\w+)`")
_OUR_CODE = re.compile(r"^    (\w+):", re.MULTILINE)
# Where a song is rejected, and where a job comes to nothing.
_REJECTION = re.compile(r'Rejection\(\s*"(\w+)"|^    code = "(audio_\w+)"', re.MULTILINE)
_END_OF_JOB = re.compile(r'(?:give_up|refuse|fail_attempt)\(\s*session,\s*job,\s*"(\w+)"')


def told() -> set[str]:
    """Codes that the catalogue has a sentence for; the types hold the Persian one to the same."""
    return set(_OUR_CODE.findall((SOURCES / "texts" / "en" / "problems.ts").read_text(encoding="utf-8")))


def sources(folder: Path, *endings: str) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.suffix in endings and ".test." not in path.name:
            yield path.read_text(encoding="utf-8")


def codes_of(error: type[AudioError | AttemptFailed]) -> set[str]:
    """Of an error and of all that are kinds of it."""
    return {error.code}.union(*(codes_of(kind) for kind in error.__subclasses__()))


def test_what_is_sold_from_the_first_day_on_has_a_persian_name() -> None:
    first = importlib.import_module("services.accounts.migrations.versions.0010_prices")
    sold = {name for kind, _, name, *_ in first._FIRST if kind in ("pack", "plan")}
    persian = (SOURCES / "texts" / "fa" / "credits.ts").read_text(encoding="utf-8")
    assert set(_NAME.findall(persian)) == sold


def test_every_problem_that_a_call_of_the_pages_may_meet_has_a_sentence() -> None:
    document = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    calls = {call for text in sources(SOURCES, ".ts", ".tsx") for call in _CALL.findall(text)}
    assert len(calls) > 80
    codes = set[str]()
    for method, path in calls:
        for status, response in document["paths"][path][method.lower()]["responses"].items():
            if reference := response.get("$ref"):
                response = document["components"]["responses"][reference.rpartition("/")[2]]  # noqa: PLW2901
            if status >= "400":
                codes.update(_CODE.findall(response["description"]))
    assert "invalid_request" in codes
    assert codes - told() == set()


def test_whatever_is_wrong_with_a_song_or_ends_a_job_has_a_sentence() -> None:
    services = ROOT / "services"
    rejections = {
        code for text in sources(services / "upload", ".py") for pair in _REJECTION.findall(text) for code in pair
    } - {""}
    ends = {code for text in sources(services / "orchestrator", ".py") for code in _END_OF_JOB.findall(text)}
    assert {"source_empty", "audio_too_large"} <= rejections
    assert "worker_died" in ends
    assert (rejections | ends | codes_of(AudioError) | codes_of(AttemptFailed)) - told() == set()
