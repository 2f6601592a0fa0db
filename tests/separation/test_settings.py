"""What a caller may choose, and that nothing else is taken."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from separation import OutputFormat, SeparationSettings, Window, separate, separate_array
from separation.errors import (
    ArgumentInvalid,
    RequestError,
    SeparationError,
    SettingsInvalid,
    UnknownStem,
    WindowOutsideAudio,
)
from separation.manifest import Manifest
from separation.settings import END_OF_SONG
from separation.stream.job import separate_file
from tests.separation.conftest import EnergyModel
from tests.separation.signals import music, write_wav
from tests.services.worker.tiny_model import make_tiny_model


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models")
    make_tiny_model(path)
    return path


@pytest.mark.parametrize(
    "fields",
    [
        {"context_frames": -1},
        {"context_frames": 32.0},
        {"context_frames": True},
        {"levels_dbfs": (-12, -18)},
        {"levels_dbfs": (-18,)},
        {"levels_dbfs": -18},
        {"levels_dbfs": (-18, math.nan)},
        {"levels_dbfs": (-18, 3)},
        {"transpositions": (0.4,)},
        {"transpositions": (math.nan,)},
        {"transpositions": ("1.12",)},
        {"transpositions": 1.12},
        {"transposed_bins": 0},
        {"transposed_bins": 64.5},
        {"wiener_share": 1.5},
        {"wiener_share": "0.6"},
        {"extension_gain": math.nan},
        {"presence_floor_db": 3},
        {"presence_floor_db": 10**400},
    ],
    ids=str,
)
def test_settings_without_meaning_are_refused_by_name(fields: dict[str, Any]) -> None:
    (name,) = fields
    with pytest.raises(SettingsInvalid, match=name) as caught:
        SeparationSettings(**fields)
    assert isinstance(caught.value, ValueError)
    assert caught.value.code == "settings_invalid"


def test_settings_may_come_as_the_numbers_of_other_libraries() -> None:
    settings = SeparationSettings(
        context_frames=np.int64(16),  # type: ignore[arg-type]
        wiener_share=np.float32(0.5),  # type: ignore[arg-type]
        transpositions=[1.12, 1],  # type: ignore[arg-type]
    )
    assert settings == SeparationSettings(context_frames=16, wiener_share=0.5, transpositions=(1.12, 1.0))
    assert {type(settings.context_frames), type(settings.wiener_share)} == {int, float}


@pytest.mark.parametrize(
    "settings",
    [
        SeparationSettings(context_frames=129),  # of patches of 512 frames
        SeparationSettings(transposed_bins=100),  # of which the network cannot halve six times
    ],
    ids=str,
)
def test_settings_that_do_not_fit_the_model_are_refused(
    tmp_path: Path, energy_model: EnergyModel, settings: SeparationSettings
) -> None:
    song = write_wav(tmp_path / "song.wav", music(0.3))
    with pytest.raises(SettingsInvalid):
        separate_file(song, tmp_path / "out", model=energy_model, settings=settings)
    with pytest.raises(SettingsInvalid):
        separate_array(music(0.3), 44100, model=energy_model, settings=settings)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("start", "end"),
    [(5, 5), (5, 3), (-1, 4), (math.nan, 1), (0, math.inf), ("0", 5), (0, None), (0, True)],
    ids=str,
)
def test_windows_without_audio_are_refused_at_once(start: Any, end: Any) -> None:
    with pytest.raises(WindowOutsideAudio):
        Window(start, end)


def test_what_a_caller_writes_first_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Path) -> None:
    monkeypatch.setenv("STEMWRIGHT_MODEL_REPOSITORY", str(tiny))
    song = write_wav(tmp_path / "song.wav", music(0.5))
    manifest = separate(song, tmp_path / "out", model="tiny-2stems", stems="vocals", window=(0, 0.25), output="wav")
    assert [stem.file for stem in manifest.stems] == ["vocals.wav"]
    assert manifest.stems[0].duration_seconds == 0.25
    assert list(separate_array(music(0.2), 44100.0, model="tiny-2stems", stems="vocals")) == ["vocals"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wishes", "error", "words"),
    [
        ({"stems": "drums"}, UnknownStem, "'drums'"),
        ({"window": (5, 3)}, WindowOutsideAudio, "5 s to 3 s"),
        ({"window": (1, 2, 3)}, ArgumentInvalid, "window"),
        ({"window": "5"}, WindowOutsideAudio, "'5' is no part of a song: write 1:00-1:30"),
        ({"window": 5}, TypeError, "window must be"),
        ({"stems": 5}, TypeError, "stems must be"),
        ({"output": "wma"}, RequestError, "'wma'"),
        ({"output": 16}, TypeError, "output must be"),
        ({"settings": {"wiener_share": 1}}, TypeError, "settings must be"),
        ({"model": 5}, TypeError, "model must be"),
        ({"model": SeparationSettings()}, TypeError, "model must be"),
    ],
    ids=str,
)
def test_what_cannot_be_understood_is_said_before_any_work(
    tmp_path: Path, energy_model: EnergyModel, wishes: dict[str, Any], error: type[Exception], words: str
) -> None:
    song = write_wav(tmp_path / "song.wav", music(0.3))
    with pytest.raises(error, match=words) as raised:
        separate(song, tmp_path / "out", **{"model": energy_model, **wishes})
    assert isinstance(raised.value, SeparationError)
    assert energy_model.patches == 0
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("1:00-1:30", 60, 90),
        ("60-90", 60, 90),
        ("60:90", 60, 90),
        ("0.5:2", 0.5, 2),
        (".5-2.", 0.5, 2),
        (" 0:30.5 - 1:00:00 ", 30.5, 3600),
        ("90:00\u20131:31:00", 5400, 5460),
        (":9", 0, 9),
        ("-0:09", 0, 9),
        ("9:", 9, END_OF_SONG),
        ("1:02:03-", 3723, END_OF_SONG),
    ],
)
def test_parts_of_a_song_are_written_as_people_write_them(text: str, start: float, end: float) -> None:
    assert Window.parse(text) == Window(start, end)


@pytest.mark.parametrize(
    "text",
    ["", "9", "-", ":", "a-b", "9:3", "1:30-1:00", "1:60-2:00", "1:2:3", "nan:3", "1:00:00:00-", "1-2-3", "0-2e6"],
)
def test_what_is_no_part_of_a_song_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(WindowOutsideAudio, match="write 1:00-1:30"):
        Window.parse(text)


def test_a_manifest_from_before_the_engine_had_versions_can_be_read(tmp_path: Path, energy_model: EnergyModel) -> None:
    song = write_wav(tmp_path / "song.wav", music(0.3))
    manifest = separate(song, tmp_path / "out", model=energy_model, output=OutputFormat("wav"))
    assert manifest.engine_version
    fields = manifest.model_dump(mode="json", exclude={"engine_version"})
    assert Manifest.model_validate(fields).engine_version is None
