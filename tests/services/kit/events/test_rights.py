"""What `stemwright topics rights` prints."""

import pytest
from click.testing import CliRunner

from services.kit.events.cli import topics


def printed(*arguments: str) -> list[str]:
    ended = CliRunner().invoke(topics, ["rights", *arguments])
    assert ended.exit_code == 0, ended.output
    return ended.output.splitlines()


@pytest.fixture(autouse=True)
def prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMWRIGHT_KAFKA_PREFIX", "songs.")


def test_a_line_says_who_may_do_what() -> None:
    everybody = printed()
    assert "upload WRITE topic songs.uploads.v1 literal" in everybody
    assert printed("upload") == [line for line in everybody if line.startswith("upload ")]
    assert not any("partners" in line or "cluster" in line for line in everybody)


def test_offering_topics_to_partners_takes_rights_of_the_notifier_alone() -> None:
    assert sorted(set(printed("--partner-topics")) - set(printed())) == [
        "notifier ALTER cluster kafka-cluster literal",
        "notifier CREATE topic songs.partners. prefixed",
        "notifier DELETE topic songs.partners. prefixed",
        "notifier WRITE topic songs.partners. prefixed",
    ]
    assert printed("upload", "--partner-topics") == printed("upload")
