import pytest

from services.orchestrator.models import UploadView
from services.orchestrator.results import _file_name


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Song.mp3", "Song (vocals).flac"),
        ("../../../etc/cron.d/x.mp3", "x (vocals).flac"),
        ("..\\..\\x.mp3", "x (vocals).flac"),
        (".mp3", "mp3 (vocals).flac"),
        ("-rf.wav", "rf (vocals).flac"),
        ("--help -x.mp3", "help -x (vocals).flac"),
        ("- . -.wav", "song (vocals).flac"),
        ("a\nb\x7f\u202ec.wav", "a_b__c (vocals).flac"),
        ("/", "song (vocals).flac"),
        ("Beyoncé - Live.v2.wav", "Beyoncé - Live.v2 (vocals).flac"),
        (None, "song (vocals).flac"),
        ("a|b: c?.wav", "a_b_ c_ (vocals).flac"),
        ("日" * 80 + ".wav", "日" * 80 + " (vocals).flac"),
        ("日" * 85 + ".wav", "日" * 80 + " (vocals).flac"),
    ],
)
def test_files_are_named_after_the_song_and_lead_to_no_other_folder(given: str | None, name: str) -> None:
    assert _file_name(UploadView(filename=given), "vocals", "flac") == name
