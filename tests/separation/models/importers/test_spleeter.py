"""The imported network: the same bytes each time, agreement with Spleeter itself, previews and repeats."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from bench.spleeter import vocals_by_spleeter
from separation.audio.decode import open_audio, probe
from separation.models.importers import spleeter
from separation.models.repository import ModelRepository
from separation.models.separator import MaskModel
from separation.settings import Window
from separation.stream.job import separate_file
from tests.separation.conftest import VECTORS
from tests.separation.signals import Samples, music, read, to_16_bit, write_wav


def _sdr(reference: Samples, estimate: Samples) -> float:
    """Signal to distortion in dB, without any alignment or scaling."""
    reference = reference.astype(np.float64)
    return float(10 * np.log10(np.square(reference).sum() / np.square(reference - estimate).sum()))


def test_importing_twice_gives_the_same_bytes(model_repository: ModelRepository, tmp_path: Path) -> None:
    again = ModelRepository(tmp_path)
    manifest = spleeter.import_spleeter(again)
    assert manifest == model_repository.manifest()
    for name in ("1/model.onnx", "manifest.json", "README.md"):
        first, second = model_repository.folder(manifest.name) / name, again.folder(manifest.name) / name
        assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [manifest.name]


def test_the_manifest_fits_the_graph(model_repository: ModelRepository) -> None:
    manifest = model_repository.manifest()
    assert (manifest.sample_rate_hz, manifest.fft_size, manifest.hop) == (44100, 4096, 1024)
    assert (manifest.frames, manifest.bins, manifest.stems) == (512, 1024, ("vocals", "accompaniment"))
    assert (manifest.licence, manifest.source["sha256"]) == ("MIT", spleeter.WHEEL.sha256)
    graph = onnx.load(str(model_repository.model_file(manifest.name))).graph
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert shapes == {"magnitudes": ["batch", 2, 512, "bins"], "fractions": ["batch", 2, 2, 512, "bins"]}
    assert manifest.digest in (model_repository.folder(manifest.name) / "README.md").read_text()


def test_sample_song_comes_out_of_the_wheel(model_repository: ModelRepository) -> None:
    info = probe(spleeter.sample_song())
    assert (info.codec, info.sample_rate_hz, info.channels) == ("mp3float", 44100, 2)
    assert 10 < info.duration_seconds < 12


@pytest.fixture(scope="module")
def spleeters_way(spleeter_model: MaskModel) -> Samples:
    with open_audio(VECTORS / "hydrogen_195s.mp3") as audio:
        return vocals_by_spleeter(spleeter_model, np.concatenate(list(audio.blocks())))


@pytest.mark.parametrize("seconds", ["1.0", "11.4"])
def test_taken_as_spleeter_takes_the_networks_the_vocals_are_spleeters(spleeters_way: Samples, seconds: str) -> None:
    reference = read(VECTORS / f"vocals_from_{seconds}s.flac")
    begin = round(float(seconds) * 44100)
    assert _sdr(reference, spleeters_way[begin : begin + len(reference)]) > 60


def test_previews_and_repeats_with_the_real_network(spleeter_model: MaskModel, tmp_path: Path) -> None:
    source = write_wav(tmp_path / "song.wav", to_16_bit(music(14, 48000)), rate=48000)
    whole = separate_file(source, tmp_path / "whole", model=spleeter_model)
    again = separate_file(source, tmp_path / "again", model=spleeter_model)
    assert [stem.sha256 for stem in whole.stems] == [stem.sha256 for stem in again.stems]
    separate_file(source, tmp_path / "part", model=spleeter_model, window=Window(9.5, 11))
    for stem in ("vocals.flac", "instrumental.flac"):
        expected = read(tmp_path / "whole" / stem)[round(9.5 * 48000) : 11 * 48000]
        assert np.array_equal(read(tmp_path / "part" / stem), expected)
