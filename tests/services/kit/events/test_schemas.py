"""The event schemas: well formed, compatible with the accepted ones, and generated as committed."""

import filecmp
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from services.kit.events import asyncapi
from services.kit.events.topics import TOPICS

ROOT = Path(__file__).parents[4]
PROTO = ROOT / "proto"


def buf(*arguments: str | Path, home: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sysconfig.get_path("scripts")) / "buf"
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, env=environment)


def test_the_schemas_follow_the_rules_of_buf(tmp_path: Path) -> None:
    result = buf("lint", PROTO, home=tmp_path)

    assert result.returncode == 0, result.stdout


def test_no_schema_breaks_what_was_accepted(tmp_path: Path) -> None:
    result = buf("breaking", PROTO, "--against", PROTO / "baseline.binpb", home=tmp_path)

    assert result.returncode == 0, result.stdout + " (`python proto/generate.py --accept` accepts it)"


def test_a_field_that_was_taken_away_is_found(tmp_path: Path) -> None:
    changed = tmp_path / "proto"
    for source in PROTO.rglob("*.proto"):
        copy = changed / source.relative_to(PROTO)
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text(encoding="utf-8")
        copy.write_text(text.replace("string sha256 = 4;", ""), encoding="utf-8")
    (changed / "buf.yaml").write_text((PROTO / "buf.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    result = buf("breaking", changed, "--against", PROTO / "baseline.binpb", home=tmp_path)

    assert result.returncode != 0
    assert "sha256" in result.stdout


def test_the_generated_code_is_what_the_schemas_say(tmp_path: Path) -> None:
    """`make proto` makes it so."""
    fresh, committed = tmp_path / "protos", ROOT / "services" / "kit" / "protos"
    subprocess.run([sys.executable, PROTO / "generate.py", "--output", fresh], check=True, capture_output=True)
    made = sorted(str(path.relative_to(fresh)) for path in fresh.rglob("*.py*") if "__pycache__" not in path.parts)
    present = sorted(
        str(path.relative_to(committed)) for path in committed.rglob("*.py*") if "__pycache__" not in path.parts
    )

    assert made == present
    _, differing, missing = filecmp.cmpfiles(fresh, committed, made, shallow=False)
    assert not [*differing, *missing]


def test_the_asyncapi_document_is_what_the_topics_say() -> None:
    """`make proto` makes it so."""
    assert asyncapi.DOCUMENT.read_text(encoding="utf-8") == asyncapi.render()


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_reference_of_the_asyncapi_document_leads_somewhere(topic: object) -> None:
    document = asyncapi.document()

    def check(content: object) -> None:
        if isinstance(content, dict):
            reference = content.get("$ref")
            if isinstance(reference, str):
                target: object = document
                for name in reference.removeprefix("#/").split("/"):
                    assert isinstance(target, dict), reference
                    assert name in target, reference
                    target = target[name]
            for member in content.values():
                check(member)
        elif isinstance(content, list):
            for member in content:
                check(member)

    check(document)
