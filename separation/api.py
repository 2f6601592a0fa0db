"""The calls that most programs need: a file to files, an array to arrays, and the model that both take."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from separation.audio.channels import channel_names
from separation.audio.decode import LARGEST_SAMPLE, AudioLimits
from separation.errors import (
    ArgumentInvalid,
    ModelAnswerInvalid,
    ModelError,
    NoSamples,
    UnsupportedChannels,
    UnsupportedRate,
)
from separation.manifest import Manifest
from separation.models.repository import DEFAULT_MODEL, ModelRepository
from separation.models.separator import MaskModel
from separation.models.spec import ModelManifest
from separation.settings import Device, OutputFormat, OutputFormatName, SeparationSettings, Window
from separation.stems.split import split_float
from separation.stream.job import checked_stems, separate_file
from separation.stream.pipeline import WindowPlan, separate_stream

Samples = NDArray[np.float32]

_BLOCK_SECONDS = 1.5  # as the decoder's


def load_model(
    name: str = DEFAULT_MODEL,
    *,
    repository: str | PathLike[str] | None = None,
    threads: int | None = None,
    device: Device = "auto",
) -> MaskModel:
    """The model from ``repository`` (default: ``default_repository``), its digest verified.

    Takes a third of a second and about 160 MB, and the first time on a machine longer, as a known answer is asked for
    (``separation.models.canary``); load once and share between threads. ``threads`` bounds the processors
    that one call of the network uses, by default all that this process may use. ``device``: ``cpu``, ``gpu``, or the
    best there is. Raises ``ModelError``.
    """
    models = ModelRepository(Path(repository) if repository is not None else None)
    return models.load(name, threads=threads, device=device)


def separate(
    song: str | PathLike[str],
    out_dir: str | PathLike[str],
    *,
    model: MaskModel | str | None = None,
    stems: str | Sequence[str] = ("vocals", "instrumental"),
    window: Window | tuple[float, float] | str | None = None,
    output: OutputFormat | OutputFormatName | None = None,
    settings: SeparationSettings | None = None,
) -> Manifest:
    """Separates the file ``song`` and writes its stems into the folder ``out_dir``, which is made if need be.

    ``model``: from ``load_model``, or a name that is loaded for this call. ``stems``: any of ``vocals``,
    ``instrumental`` and ``mixture``. ``window``: only this part of the song, also as ``(start, end)`` in seconds or
    ``"1:00-1:30"``. ``output``: the files' format or its name, FLAC of 16 bits if not told. ``settings``: how masks are
    made and used.

    The stems have the song's own rate, channels and number of samples, and they sum to it. Blocks; memory does not grow
    with the song. Raises ``SeparationError`` and ``OSError`` as ``separate_file``, which this calls and which can also
    tell its progress and be cancelled; then ``out_dir`` is as it was. ``ArgumentInvalid``, which is one, and a
    ``TypeError``, for what is of none of these types.
    """
    if isinstance(window, tuple | list):
        if len(window) != 2:
            raise ArgumentInvalid(f"window must be (start, end) in seconds, not {window!r}.")
        window = Window(*window)
    if isinstance(window, str):
        window = Window.parse(window)
    if isinstance(output, str):
        output = OutputFormat(output)
    _require("song", song, (str, PathLike), "the path of a file")
    _require("out_dir", out_dir, (str, PathLike), "the path of a folder")
    _require("stems", stems, Iterable, "a name or several")
    _require("window", window, Window, 'a Window, (start, end) in seconds or "1:00-1:30"')
    _require("output", output, OutputFormat, "an OutputFormat or its name")
    _require("settings", settings, SeparationSettings, "SeparationSettings")
    return separate_file(
        Path(song),
        Path(out_dir),
        model=_model(model),
        stems=checked_stems(stems),
        window=window,
        output=output,
        settings=settings,
    )


def _require(name: str, value: object, kind: type | tuple[type, ...], words: str) -> None:
    if value is not None and not isinstance(value, kind):
        raise ArgumentInvalid(f"{name} must be {words}, not {value!r}.")


def _model(model: MaskModel | str | None) -> MaskModel:
    if model is None or isinstance(model, str):
        return load_model(model or DEFAULT_MODEL)
    if not isinstance(getattr(model, "manifest", None), ModelManifest):
        raise ArgumentInvalid(f"model must be one from load_model, or its name, not {model!r}.")
    return model


def separate_array(
    mixture: ArrayLike,
    sample_rate_hz: int,
    *,
    model: MaskModel | str | None = None,
    stems: str | Sequence[str] = ("vocals", "instrumental"),
    settings: SeparationSettings | None = None,
) -> dict[str, Samples]:
    """Separates audio in memory: the same numbers that ``separate`` writes as float WAV.

    ``mixture``: floats, ``(samples, channels)`` or ``(samples,)`` for mono, full scale at 1.0. The answer has float32
    arrays of the same shape by name, in the order of ``stems``. ``vocals + instrumental == mixture``, exactly for audio
    that was ever integers of up to 24 bits, else to within 2**-24 of the larger stem (``separation.stems.split``).

    Needs memory for mixture and stems, and what ``separate`` needs. Raises ``UnsupportedRate``,
    ``UnsupportedChannels`` and ``NoSamples`` for what no file may hold either, ``UnknownStem``, ``ModelError``;
    ``ArgumentInvalid`` for integers, whose full scale is not known, NaN, infinity, samples beyond 256 (48 dB above full
    scale, which no music is) and more than two axes.
    """
    _require("stems", stems, Iterable, "a name or several")
    checked_stems(stems)
    _require("settings", settings, SeparationSettings, "SeparationSettings")
    model = _model(model)
    if "vocals" not in model.manifest.stems:
        raise ModelError(f"The model {model.manifest.name} does not estimate vocals.")
    given = np.asarray(mixture)
    sample_rate_hz = _whole_number(sample_rate_hz)
    whole = _checked_samples(given, sample_rate_hz)
    plan = WindowPlan(
        model.manifest,
        settings or SeparationSettings(),
        sample_rate_hz=sample_rate_hz,
        channel_names=channel_names((), whole.shape[1]),
    )
    answers = {"mixture": whole, "vocals": np.empty_like(whole), "instrumental": np.empty_like(whole)}
    position = 0

    def write(vocals: Samples) -> None:
        nonlocal position
        part = slice(position, position + len(vocals))
        answers["vocals"][part], answers["instrumental"][part] = split_float(whole[part], vocals)
        position += len(vocals)

    try:
        separate_stream(plan, model, _blocks(whole[plan.first_input :], sample_rate_hz), write)
    finally:
        model.rest()
    if not all(np.isfinite(samples).all() for samples in answers.values()):
        raise ModelAnswerInvalid("The stems hold numbers that are not finite.")
    return {name: answers[name].reshape(given.shape) for name in ((stems,) if isinstance(stems, str) else stems)}


def _whole_number(rate: float) -> int:
    """44100.0 is what some libraries read."""
    with suppress(TypeError, ValueError, OverflowError):
        if rate == int(rate):
            return int(rate)
    raise UnsupportedRate(f"The sample rate must be a whole number of Hz, not {rate}.")


def _blocks(samples: Samples, rate: int) -> Iterator[Samples]:
    step = int(_BLOCK_SECONDS * rate)
    for begin in range(0, len(samples), step):
        yield samples[begin : begin + step]


def _checked_samples(given: NDArray[np.generic], rate: int) -> Samples:
    """``(samples, channels)`` in float32, of a rate and with channels that can be separated."""
    if not np.issubdtype(given.dtype, np.floating):
        raise ArgumentInvalid(f"Samples must be floats with full scale at 1.0, not {given.dtype}.")
    if given.ndim not in (1, 2):
        raise ArgumentInvalid(f"Samples must be (samples, channels) or (samples,), not {given.shape}.")
    if not given.size:
        raise NoSamples("There are no samples.")
    limits = AudioLimits()
    lowest, highest = limits.min_sample_rate_hz, limits.max_sample_rate_hz
    if not lowest <= rate <= highest:
        raise UnsupportedRate(f"The sample rate is {rate} Hz; {lowest} to {highest} Hz can be separated.")
    with np.errstate(over="ignore"):  # a double may exceed float32; the infinity is refused below
        samples = np.array(given.reshape(len(given), -1), np.float32)
    if samples.shape[1] > limits.max_channels:
        raise UnsupportedChannels(
            f"There are {samples.shape[1]} channels, at most {limits.max_channels} can be separated. "
            "Samples are expected as (samples, channels): transpose an array of (channels, samples)."
        )
    if not np.isfinite(samples).all():
        raise ArgumentInvalid("Samples must be finite, without NaN and infinity.")
    if (peak := float(np.abs(samples).max())) > LARGEST_SAMPLE:
        raise ArgumentInvalid(f"Samples must lie within -{LARGEST_SAMPLE:g} and {LARGEST_SAMPLE:g}, not at {peak:g}.")
    return samples
