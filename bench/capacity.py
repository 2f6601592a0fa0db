"""How many songs an hour a GPU can be expected to separate: from counted multiply-adds and documented peaks.

    python -m bench.capacity [--cpus 4] [--utilisation 0.25] [--price T4=0.50 --price L4=0.80]
    python -m bench.capacity --measure 240      # what a song costs processors here, with the network and without it

What it says of GPUs is computed: none takes part. What is left to processors was measured, with a network that answers
at once, in processor seconds, which a busy machine changes less than the clock.
"""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import click
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import shape_inference
from rich.console import Console
from rich.table import Table

from bench.engine import write_song
from separation.models.mask.patches import PatchGrid
from separation.models.repository import DEFAULT_MODEL, ModelRepository
from separation.models.separator import MaskModel
from separation.models.spec import ModelManifest
from separation.settings import SeparationSettings
from separation.stems.playback import Playback, Segment
from separation.stream.job import separate_file
from services.kit.playback import SEGMENT_SECONDS

SONG_SECONDS = 240.0
UTILISATION = 0.25
"""Of a documented peak, what convolutions of this size reach: assumed, never measured here."""
REST_PROCESSOR_SECONDS = 0.019
"""Of a second of music, all but the network: measured (docs/operations.md says where and when)."""
WAY_PROCESSOR_SECONDS = 0.0024
"""Of a second of music, to a Triton server and back by shared memory: 17 and 8 ms for each patch (docs/serving.md)."""
BESIDE_A_GPU = REST_PROCESSOR_SECONDS + WAY_PROCESSOR_SECONDS


@dataclass(frozen=True)
class Gpu:
    """``float32``, ``tf32`` and ``float16``: the peak of dense arithmetic in 1e12 operations a second, by its data
    sheet; a multiply-add is two of them. Where the sheet counts zeros that are left out (sparsity), half of it.
    ``tf32`` is ``None`` where there is none (T4), and where no second source confirmed it.
    """

    name: str
    float32: float
    tf32: float | None
    float16: float
    sheet: str


GPUS = (
    Gpu("T4", 8.1, None, 65, "NVIDIA T4 Tensor Core GPU"),
    Gpu("L4", 30.3, 60, 121, "NVIDIA L4 Tensor Core GPU"),
    Gpu("A10", 31.2, None, 125, "NVIDIA A10 Tensor Core GPU"),
    Gpu("A10G", 35, None, 70, "NVIDIA A10G Tensor Core GPU"),
    Gpu("A100, 40 or 80 GB", 19.5, 156, 312, "NVIDIA A100 Tensor Core GPU"),
    Gpu("L40S", 91.6, 183, 362, "NVIDIA L40S"),
    Gpu("H100 SXM", 67, 494.5, 989.5, "NVIDIA H100 Tensor Core GPU"),
    Gpu("H200 SXM", 67, 494.5, 989.5, "NVIDIA H200 Tensor Core GPU"),
)


def multiply_adds(graph: onnx.ModelProto, bins: int) -> int:
    """Of all convolutions for one patch ``(2, frames, bins)``: every weight at every place that it is applied to."""
    model = onnx.ModelProto()
    model.CopyFrom(graph)
    patches, _channels, _frames, width = model.graph.input[0].type.tensor_type.shape.dim
    patches.dim_value, width.dim_value = 1, bins
    known = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    images = {
        value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*known.input, *known.value_info, *known.output)
    }
    kernels = {weight.name: weight.dims for weight in known.initializer}
    # A convolution applies its kernel once for each place of its answer, a transposed one for each of what it is given.
    places = {"Conv": lambda node: images[node.output[0]], "ConvTranspose": lambda node: images[node.input[0]]}
    return sum(
        prod(kernels[node.input[1]]) * prod(places[node.op_type](node)[2:])
        for node in known.node
        if node.op_type in places
    )


def patch_seconds(manifest: ModelManifest, settings: SeparationSettings) -> float:
    """Seconds of music by which each patch brings a song further."""
    step = PatchGrid(manifest.frames, settings.context_frames, 0).step
    return step * manifest.hop / manifest.sample_rate_hz


def multiply_adds_per_second(graph: onnx.ModelProto, manifest: ModelManifest, settings: SeparationSettings) -> float:
    """For a second of music: each patch in full, and its further looks at the lowest bins."""
    looks = [manifest.bins, *(settings.transposed_bins for _ratio in settings.transpositions)]
    return sum(multiply_adds(graph, bins) for bins in looks) / patch_seconds(manifest, settings)


def network_speed(peak: float, needed: float, utilisation: float) -> float:
    """Seconds of music a second. ``peak`` in 1e12 operations a second, ``needed`` multiply-adds a second of music."""
    return peak * 1e12 / 2 * utilisation / needed


def songs_an_hour(speed: float) -> float:
    """Songs of four minutes; ``speed`` in seconds of music a second."""
    return speed * 3600 / SONG_SECONDS


class Instant:
    """A network that computes nothing: half of everything is voice."""

    device, runtime = "none", "none"

    def __init__(self, manifest: ModelManifest) -> None:
        self.manifest = manifest

    def fractions(self, magnitudes: NDArray[np.float32]) -> NDArray[np.float32]:
        patches, *image = magnitudes.shape
        return np.full((patches, len(self.manifest.stems), *image), 0.5, np.float32)

    def fractions_of_each(self, images: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        return [self.fractions(image[None])[0] for image in images]

    def rest(self) -> None:
        pass


def processor_seconds(model: MaskModel, seconds: float) -> float:
    """Of a second of music: MP3 in; two FLAC stems and the segments to listen to out, as a worker makes them.

    A song of half a minute goes before and is not counted.
    """

    def remove(segment: Segment) -> None:
        for file in segment.files.values():
            file.unlink()

    used = 0.0
    with tempfile.TemporaryDirectory() as name:
        song, stems, segments = (Path(name) / part for part in ("song.mp3", "stems", "segments"))
        segments.mkdir()
        for length in (30.0, seconds):
            write_song(song, length)
            begun = time.process_time()
            playback = Playback(segments, ("mixture", "vocals", "instrumental"), SEGMENT_SECONDS, remove)
            separate_file(song, stems, model=model, playback=playback)
            used = time.process_time() - begun
    return used / seconds


def figures(gpu: Gpu, needed: float, utilisation: float) -> list[str]:
    """A row: name and peaks; songs an hour of the network in float32 and in float16, and the CPUs to feed each.

    ``needed``: multiply-adds a second of music.
    """
    speeds = [network_speed(peak, needed, utilisation) for peak in (gpu.float32, gpu.float16)]
    return [
        gpu.name,
        *("–" if peak is None else f"{peak:g}" for peak in (gpu.float32, gpu.tf32, gpu.float16)),
        *(f"{round(songs_an_hour(speed), -2):,.0f}" for speed in speeds),
        *(f"{speed * BESIDE_A_GPU:,.0f}" for speed in speeds),
    ]


def table(needed: float, cpus: float, utilisation: float, prices: Mapping[str, float]) -> Table:
    """``needed``: multiply-adds a second of music. ``prices``: of an hour of a GPU with its ``cpus``, by its name."""
    columns = ["float32", "TF32", "float16", "songs/h: float32", "float16", "CPUs: float32", "float16"]
    result = Table("GPU", title=f"Computed, of {utilisation:.0%} of the peak")
    for column in (*columns, f"songs/h with {cpus:g} CPUs, at most", "1000 songs, at least"):
        result.add_column(column, justify="right")
    for gpu in GPUS:
        songs = songs_an_hour(min(network_speed(gpu.float32, needed, utilisation), cpus / BESIDE_A_GPU))
        cost = f"{1000 * prices[gpu.name] / songs:.3f}" if gpu.name in prices else ""
        result.add_row(*figures(gpu, needed, utilisation), f"{songs:,.0f}", cost)
    return result


def price(text: str) -> tuple[str, float]:
    name, _, amount = text.rpartition("=")
    if name not in {gpu.name for gpu in GPUS}:
        raise click.BadParameter(f"{name!r} is none of {', '.join(gpu.name for gpu in GPUS)}.")
    return name, float(amount)


@click.command()
@click.option("--cpus", default=4.0, show_default=True, help="Beside each GPU.")
@click.option("--utilisation", default=UTILISATION, show_default=True, help="Of the documented peak; assumed.")
@click.option("--price", "prices", type=price, multiple=True, metavar="GPU=AMOUNT", help="An hour of it and its CPUs.")
@click.option("--measure", type=float, metavar="SECONDS", help="Measures what a song of this length costs processors.")
def main(cpus: float, utilisation: float, prices: Sequence[tuple[str, float]], measure: float | None) -> None:
    console, models = Console(), ModelRepository()
    manifest, settings = models.manifest(DEFAULT_MODEL), SeparationSettings()
    if measure:
        whole, rest = (processor_seconds(model, measure) for model in (models.load(device="cpu"), Instant(manifest)))
        console.print(f"Measured: {whole:.4f} processor seconds of a second of music, {rest:.4f} without the network.")
        return
    graph = onnx.load(models.model_file(DEFAULT_MODEL))
    patch = multiply_adds(graph, manifest.bins)
    needed = multiply_adds_per_second(graph, manifest, settings)
    console.print(f"Counted: {patch / 1e9:.2f} G multiply-adds a patch of {patch_seconds(manifest, settings):.2f} s,")
    console.print(f"with its further looks {needed / 1e9:.3f} G a second of music.")
    console.print(table(needed, cpus, utilisation, dict(prices)))


if __name__ == "__main__":
    main()
