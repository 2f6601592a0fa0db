"""Multiply-adds counted in a graph, and what follows from them."""

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from bench import capacity
from bench.capacity import (
    GPUS,
    UTILISATION,
    figures,
    multiply_adds,
    multiply_adds_per_second,
    network_speed,
    patch_seconds,
    processor_seconds,
    songs_an_hour,
)
from separation.models.importers.unet import build_model
from separation.models.mask.plan import PatchPlan
from separation.models.spec import ModelManifest
from separation.models.unet import BINS, CHANNELS, DEPTH, FFT_SIZE, FRAMES, HOP, SAMPLE_RATE_HZ
from separation.settings import SeparationSettings

UNET = ModelManifest(
    "unet", "sha256:0", "MIT", {}, SAMPLE_RATE_HZ, FFT_SIZE, HOP, FRAMES, BINS, ("vocals", "accompaniment")
)


def silent_weights() -> dict[str, np.ndarray]:
    """Of the U-Net's shapes, all 0 but for norms that change nothing."""
    weights: dict[str, np.ndarray] = {}

    def layer(name: str, kernel: tuple[int, ...], outputs: int) -> None:
        weights[f"{name}.weight"], weights[f"{name}.bias"] = np.zeros(kernel, np.float32), np.zeros(outputs, np.float32)

    def norm(name: str, channels: int) -> None:
        for part, value in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
            weights[f"{name}.{part}"] = np.full(channels, value, np.float32)

    for level, (inputs, outputs) in enumerate(pairwise(CHANNELS), 1):
        layer(f"down{level}_conv.1", (outputs, inputs, 5, 5), outputs)
        norm(f"down{level}_act.0", outputs)
    given = CHANNELS[DEPTH]
    for level in range(1, DEPTH + 1):
        outputs = CHANNELS[DEPTH - level] if level < DEPTH else 1
        layer(f"up{level}.0", (given, outputs, 5, 5), outputs)
        norm(f"up{level}.3", outputs)
        given = 2 * outputs
    layer("up7.0", (2, 1, 4, 4), 2)
    return weights


def by_the_paper(bins: int) -> int:
    """Of one network of Hennequin et al.: 25 taps, of each level's cells and of pairs of channels."""
    cells = [(FRAMES >> level) * (bins >> level) for level in range(DEPTH + 1)]
    down = sum(25 * CHANNELS[level - 1] * CHANNELS[level] * cells[level] for level in range(1, DEPTH + 1))
    up = sum(
        25 * CHANNELS[level] * (1 if level == DEPTH else 2) * (CHANNELS[level - 1] if level > 1 else 1) * cells[level]
        for level in range(1, DEPTH + 1)
    )
    return down + up + 16 * 2 * cells[0]


@pytest.fixture(scope="module")
def unet() -> onnx.ModelProto:
    return build_model(dict.fromkeys(UNET.stems, silent_weights()), frames=FRAMES)


@pytest.mark.parametrize("bins", [BINS, 256])
def test_the_networks_need_what_their_architecture_says(unet: onnx.ModelProto, bins: int) -> None:
    assert multiply_adds(unet, bins) == 2 * by_the_paper(bins)


def test_the_page_has_what_is_computed(unet: onnx.ModelProto) -> None:
    needed = multiply_adds_per_second(unet, UNET, SeparationSettings())
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    for gpu in GPUS:
        assert "| " + " | ".join(figures(gpu, needed, UTILISATION)) + " |" in page
    assert f"{needed / 1e9:.2f} G multiply-adds a second of music" in page


def test_a_kernel_counts_where_it_is_applied() -> None:
    def weight(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(np.zeros(shape, np.float32), name)

    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["in", "halve"], ["small"], strides=[2, 2]),
            helper.make_node("Relu", ["small"], ["positive"]),
            helper.make_node("ConvTranspose", ["positive", "double"], ["out"], strides=[2, 2], group=3),
        ],
        "two",
        [helper.make_tensor_value_info("in", TensorProto.FLOAT, ["batch", 2, 8, "bins"])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [weight("halve", 3, 2, 2, 2), weight("double", 3, 1, 2, 2)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    # An answer of 4 x 8 cells: 3 channels of 2 x 2 x 2 taps; then each of 3 channels alone puts 2 x 2 for each cell.
    assert multiply_adds(model, 16) == 4 * 8 * (3 * 8 + 3 * 4)


def test_a_patch_brings_a_song_further_by_what_the_engine_steps() -> None:
    settings = SeparationSettings()
    grid = PatchPlan(UNET, settings, channel_names=("FL", "FR")).grid
    assert patch_seconds(UNET, settings) == (grid.begin(5) - grid.begin(4)) * HOP / SAMPLE_RATE_HZ


def test_an_operation_is_half_a_multiply_add() -> None:
    assert network_speed(10, 1e9, 0.2) == 1000
    assert songs_an_hour(1000) == 15_000


def test_no_peak_counts_zeros_that_are_left_out() -> None:
    """Sheets of Ampere and later print float16 as twice TF32, both dense or both not."""
    assert len({gpu.name for gpu in GPUS}) == len(GPUS)
    for gpu in GPUS:
        assert gpu.float32 < gpu.float16
        assert gpu.tf32 is None or 1.9 < gpu.float16 / gpu.tf32 < 2.1


def test_a_network_that_answers_at_once_passes_through_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def write_tone(path: object, seconds: float) -> None:
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libmp3lame", rate=44100, layout="stereo")
            tone = np.sin(np.arange(44100, dtype=np.float32) / 20)
            frame = av.AudioFrame.from_ndarray(np.stack([tone, tone]), format="fltp", layout="stereo")
            frame.sample_rate = 44100
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))

    monkeypatch.setattr(capacity, "write_song", write_tone)
    assert processor_seconds(capacity.Instant(UNET), 1.0) > 0


def test_a_price_names_a_gpu() -> None:
    assert capacity.price("A100, 40 or 80 GB=1.5") == ("A100, 40 or 80 GB", 1.5)
    answer = CliRunner().invoke(capacity.main, ["--price", "Z9=1"])
    assert answer.exit_code == 2
    assert "'Z9' is none of T4, L4" in answer.output
