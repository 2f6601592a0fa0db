"""What a caller may choose, and that nothing else is taken."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from separation import OutputFormat, SeparationSettings, Window, separate, separate_array
from separation.engine import separate_file
from separation.errors import RequestError, SettingsInvalid, UnknownStem, WindowOutsideAudio
from separation.manifest import Manifest
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
        {"first_frame": 5},
        {"first_frame": -0.5},
        {"edges": "periodic"},
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
        {"transposed_bins": 100},
        {"masks": "both"},
        {"mask": None},
        {"mask_exponent": 0},
        {"mask_exponent": math.inf},
        {"wiener_share": 1.5},
        {"wiener_share": "0.6"},
        {"refined_share": -0.1},
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


def test_settings_that_do_not_fit_the_model_are_refused(tmp_path: Path, energy_model: EnergyModel) -> None:
    settings = SeparationSettings(context_frames=129)  # of patches of 512 frames
    song = write_wav(tmp_path / "song.wav", music(0.3))
    with pytest.raises(SettingsInvalid):
        separate_file(song, tmp_path / "out", model=energy_model, settings=settings)
    with pytest.raises(SettingsInvalid):
        separate_array(music(0.3), 44100, model=energy_model, settings=settings)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("first_frame", [0, -1, -96, -447])
def test_wherever_the_first_patch_begins_the_vocals_are_in_their_place(
    energy_model: EnergyModel, first_frame: int
) -> None:
    tone = 0.3 * np.sin(np.arange(44100) * 0.05).astype(np.float32)
    stems = separate_array(tone, 44100, model=energy_model, settings=SeparationSettings(first_frame=first_frame))
    assert np.dot(stems["vocals"], tone) > 0.75 * np.linalg.norm(stems["vocals"]) * np.linalg.norm(tone)


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
        ({"window": (1, 2, 3)}, ValueError, "window"),
        ({"window": "0:5"}, TypeError, "window must be"),
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
    with pytest.raises(error, match=words):
        separate(song, tmp_path / "out", **{"model": energy_model, **wishes})
    assert energy_model.patches == 0
    assert not (tmp_path / "out").exists()


def test_a_manifest_from_before_the_engine_had_versions_can_be_read(tmp_path: Path, energy_model: EnergyModel) -> None:
    song = write_wav(tmp_path / "song.wav", music(0.3))
    manifest = separate(song, tmp_path / "out", model=energy_model, output=OutputFormat("wav"))
    assert manifest.engine_version
    fields = manifest.model_dump(mode="json", exclude={"engine_version"})
    assert Manifest.model_validate(fields).engine_version is None
