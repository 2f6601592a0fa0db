"""The network's weights in the order in which the kernels read them.

Made once from the ONNX file, which takes two seconds and the ONNX library, and kept in the cache folder as one file: a
head with the SHA-256 of what follows, then float32. It is mapped into memory: the processes of a machine share it, and
loading it takes no time. Where the file was touched since its hash was last right, that is asked again; a damaged file
is made again.
"""

import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from separation.errors import ModelError
from separation.machine.notes import is_noted, state_of, write_note
from separation.models.runtimes.unet.geometry import PANEL, POINTS, phases_at
from separation.models.unet import BATCH_NORM_EPSILON, CHANNELS, DEPTH

Floats = NDArray[np.float32]

_log = logging.getLogger(__name__)

# Changes whenever the order or the meaning of the numbers does, or the head.
_VERSION = 2
_HEAD_BYTES = 4096  # so that the numbers begin with a page of memory

# What the file is called until it is whole, which takes seconds.
_DRAFT, _DRAFT_SECONDS = ".weights-", 3600

# From three taps to values at 0, 1, -1, 2, -2 and infinity; the factors of the points are all here.
_TO_VALUES = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)
# Taps of a kernel of five on the numbers before, at and after a place of a phase: of even ones, of odd ones.
_CONVOLUTION_TAPS = ((None, 1, 3), (0, 2, 4))
# Lines and columns, odd (1) or even (0), of the four phases.
_PHASES = ((1, 0), (1, 1), (0, 1), (0, 0))


def in_panels(matrix: NDArray[np.floating]) -> Floats:
    """``(depth, columns)`` as ``(columns / 16, depth, 16)``, flat; columns completed with zeros."""
    depth, columns = matrix.shape
    wide = np.zeros((depth, -(-columns // PANEL) * PANEL), np.float32)
    wide[:, :columns] = matrix
    return wide.reshape(depth, -1, PANEL).swapaxes(0, 1).reshape(-1)


def _in_values(three: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kernels ``(inputs, outputs, 3, 3)`` at the 36 points: ``(6, 6, inputs, outputs)``."""
    inputs, outputs = three.shape[:2]
    # One product of matrices, in a fifth of the time that `einsum` takes for the same.
    return (np.kron(_TO_VALUES, _TO_VALUES) @ three.reshape(-1, 9).T).reshape(6, 6, inputs, outputs)


def convolution_values(kernel: Floats) -> Floats:
    """Of ``(outputs, inputs, 5, 5)``: for each point the panels of the phases that count there, one below the other."""
    outputs, inputs = kernel.shape[:2]
    values = np.empty((6, 6, 4, inputs, outputs))
    for phase, (odd_line, odd_column) in enumerate(_PHASES):
        three = np.zeros((inputs, outputs, 3, 3))
        for i, line in enumerate(_CONVOLUTION_TAPS[odd_line]):
            for j, column in enumerate(_CONVOLUTION_TAPS[odd_column]):
                if line is not None and column is not None:
                    three[:, :, i, j] = kernel[:, :, line, column].T
        values[:, :, phase] = _in_values(three)
    parts = []
    for point in range(POINTS):
        begin, end = phases_at(point, 0)
        parts.append(in_panels(values[point // 6, point % 6, begin:end].reshape(-1, outputs)))
    return np.concatenate(parts)


def transposed_values(phases: Sequence[Floats]) -> Floats:
    """Of the four phases of ``importers/phases.py``: for each point the panels of those that count, side by side."""
    outputs, inputs = phases[0].shape[:2]
    values = np.empty((6, 6, inputs, 4, outputs))
    for number, (odd_line, odd_column) in enumerate(_PHASES):
        kernel = phases[2 * odd_line + odd_column]
        three = np.zeros((inputs, outputs, 3, 3))
        three[:, :, : kernel.shape[2], : kernel.shape[3]] = kernel.swapaxes(0, 1)
        values[:, :, :, number] = _in_values(three)
    parts = []
    for point in range(POINTS):
        begin, end = phases_at(point, 5)
        parts.append(in_panels(values[point // 6, point % 6][:, begin:end].reshape(inputs, -1)))
    return np.concatenate(parts)


def _plain_panels(kernel: Floats) -> Floats:
    """Of ``(outputs, inputs, lines, columns)``, line by line as an image is read."""
    return in_panels(kernel.transpose(2, 3, 1, 0).reshape(-1, len(kernel)))


def _last_panels(kernel: Floats) -> Floats:
    """Of ``(inputs, 1, 5, 5)``: from three columns of the image to an even and an odd answer for each of five lines."""
    matrix = np.zeros((3, len(kernel), 5, 2), np.float32)
    for before, even, odd in ((0, 3, 4), (1, 1, 2), (2, None, 0)):
        if even is not None:
            matrix[before, :, :, 0] = kernel[:, 0, :, even]
        matrix[before, :, :, 1] = kernel[:, 0, :, odd]
    return in_panels(matrix.reshape(3 * len(kernel), 10))


def shapes(stems: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Every array of the file, in its order."""
    result: dict[str, tuple[int, ...]] = {}
    for stem in stems:
        for level in range(1, DEPTH):
            inputs, outputs = CHANNELS[level - 1], CHANNELS[level]
            result[f"{stem}/down{level}/weights"] = ((25 if level == 1 else 121) * inputs * outputs,)
            result |= {f"{stem}/down{level}/{part}": (outputs,) for part in ("bias", "scale", "shift")}
        inputs, outputs = CHANNELS[DEPTH - 1], CHANNELS[DEPTH]
        result |= {f"{stem}/down{DEPTH}/weights": (25 * inputs * outputs,), f"{stem}/down{DEPTH}/bias": (outputs,)}
        result[f"{stem}/down{DEPTH}/floor"] = (outputs,)
        for level in range(1, DEPTH):
            outputs = CHANNELS[DEPTH - level]
            if level == 1:  # from the deepest level, which has no skip
                sizes = [taps * 2 * outputs * outputs for taps in (4, 6, 6, 9)]
                result |= {f"{stem}/up1/{number}": (size,) for number, size in enumerate(sizes)}
            else:
                result[f"{stem}/up{level}/weights"] = (121 * 4 * outputs * outputs,)
            result |= {f"{stem}/up{level}/{part}": (outputs,) for part in ("bias", "floor")}
        result[f"{stem}/last/weights"] = (6 * CHANNELS[1] * PANEL,)
        result |= {f"{stem}/last/bias": (1,), f"{stem}/last/floor": (1,)}
        result |= {f"{stem}/mask/weights": (2, 16), f"{stem}/mask/bias": (2,)}
    return result


def _norm(raw: Mapping[str, Floats], name: str) -> tuple[Floats, Floats]:
    scale = raw[f"{name}.weight"].astype(np.float64) / np.sqrt(raw[f"{name}.running_var"] + BATCH_NORM_EPSILON)
    return scale.astype(np.float32), (raw[f"{name}.bias"] - scale * raw[f"{name}.running_mean"]).astype(np.float32)


def _turned(raw: Mapping[str, Floats], stems: Sequence[str]) -> dict[str, Floats]:
    """From the names and shapes of ``importers/unet.py`` to those of ``shapes``."""
    result: dict[str, Floats] = {}
    for stem in stems:
        for level in range(1, DEPTH):
            name = f"{stem}/down{level}"
            kernel = raw[f"{name}_conv.1.weight"]
            scale, shift = _norm(raw, f"{name}_act.0")
            result[f"{name}/weights"] = _plain_panels(kernel) if level == 1 else convolution_values(kernel)
            result |= {f"{name}/bias": raw[f"{name}_conv.1.bias"], f"{name}/scale": scale, f"{name}/shift": shift}
        name = f"{stem}/down{DEPTH}"
        kernel = raw[f"{name}_conv.1.weight"]
        result[f"{name}/weights"] = _plain_panels(kernel)
        result[f"{name}/bias"] = raw[f"{name}_conv.1.bias"]
        result[f"{name}/floor"] = np.full(len(kernel), -np.inf, np.float32)
        for level in range(1, DEPTH):
            name = f"{stem}/up{level}"
            phases = [raw[f"{name}/{place}.weight"] for place in ("00", "01", "10", "11")]
            if level == 1:
                for number, phase in enumerate(phases):
                    result[f"{name}/{number}"] = _plain_panels(phase)
            else:
                result[f"{name}/weights"] = transposed_values(phases)
            result |= {f"{name}/bias": raw[f"{name}/00.bias"], f"{name}/floor": raw[f"{name}.floor"].reshape(-1)}
        result[f"{stem}/last/weights"] = _last_panels(raw[f"{stem}/up{DEPTH}.weight"])
        result[f"{stem}/last/bias"] = raw[f"{stem}/up{DEPTH}.bias"]
        result[f"{stem}/last/floor"] = raw[f"{stem}/up{DEPTH}.floor"].reshape(-1)
        result[f"{stem}/mask/weights"] = raw[f"{stem}/up7.weight"].reshape(2, 16)
        result[f"{stem}/mask/bias"] = raw[f"{stem}/up7.bias"]
    return result


def _read(path: Path) -> dict[str, Floats]:
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import numpy_helper

    try:
        model = onnx.load(path)
    except DecodeError as error:
        raise ModelError(f"The model in {path} cannot be read: {error}") from error
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for name, numbers in weights.items():
        if not np.isfinite(numbers).all():
            raise ModelError(f"The model's weights {name} are not finite.")
    return weights


def _tidy(folder: Path) -> None:
    """Removes what processes that were killed have left."""
    for left in folder.glob(f"{_DRAFT}*"):
        with suppress(FileNotFoundError):  # several may start at once
            if time.time() - left.stat().st_mtime > _DRAFT_SECONDS:
                left.unlink()


def _head(sha256: str) -> bytes:
    return f"stemwright weights {_VERSION}\nsha256 {sha256}\n".encode().ljust(_HEAD_BYTES, b"\0")


def _made(path: Path, stems: Sequence[str], file: Path) -> None:
    """Writes ``file`` whole or not at all."""
    try:
        turned = _turned(_read(path), stems)
    except KeyError as error:
        raise ModelError(f"The model lacks the weights {error}.") from error
    file.parent.mkdir(parents=True, exist_ok=True)
    _tidy(file.parent)
    digest = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=_DRAFT, delete=False) as scratch:
        try:
            scratch.seek(_HEAD_BYTES)
            for name, shape in shapes(stems).items():
                if turned[name].size != prod(shape):
                    raise ModelError(f"The model's weights {name} have the wrong shape.")
                numbers = np.ascontiguousarray(turned.pop(name), np.float32)
                scratch.write(numbers.data)
                digest.update(numbers.data)
            scratch.seek(0)
            scratch.write(_head(digest.hexdigest()))
            # On the disk before it has its name: after a power cut the name must not stand for zeros.
            scratch.flush()
            os.fsync(scratch.fileno())
            os.fchmod(scratch.fileno(), 0o644)  # other users of the machine, and of an image, read it too
            scratch.close()
            Path(scratch.name).replace(file)
        except BaseException:
            Path(scratch.name).unlink(missing_ok=True)
            raise


def _is_whole(file: Path, count: int) -> bool:
    """Whether ``file`` holds ``count`` numbers and those that its head speaks of; noted beside it while it is."""
    try:
        state = state_of(file)
        if is_noted(_note(file), state):
            return True
        with file.open("rb") as opened:
            head = opened.read(_HEAD_BYTES)
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
            if head == _head(digest) and opened.tell() == _HEAD_BYTES + 4 * count:
                write_note(_note(file), state)
                return True
    except FileNotFoundError:
        return False
    except OSError as error:
        _log.warning("the weights in %s cannot be read: %s", file, error)
        return False
    _log.warning("the weights in %s are damaged, and are made again", file)
    return False


def _note(file: Path) -> Path:
    return file.with_suffix(".checked")


def weights_file(path: Path, digest: str, stems: Sequence[str], folder: Path) -> Path:
    """A file in ``folder`` with the arrays of ``shapes``, of the ONNX file ``path``; made if need be.

    ``digest`` is that of the ONNX file, already verified. Raises ``ModelError`` for other weights, ``OSError`` where
    the folder cannot be written.
    """
    file = folder / f"{digest.removeprefix('sha256:')[:32]}-v{_VERSION}.f32"
    if not _is_whole(file, sum(prod(shape) for shape in shapes(stems).values())):
        _made(path, stems, file)
        write_note(_note(file), state_of(file))
    return file


def kernel_weights(file: Path, stems: Sequence[str]) -> dict[str, Floats]:
    """The arrays of a ``weights_file``, mapped."""
    numbers = np.memmap(file, np.float32, "r", _HEAD_BYTES)
    result, begin = {}, 0
    for name, shape in shapes(stems).items():
        end = begin + prod(shape)
        result[name] = np.asarray(numbers[begin:end])
        begin = end
    return result


def hash_of(file: Path) -> str:
    """What the head of a ``weights_file`` says of it."""
    with file.open("rb") as opened:
        return opened.read(_HEAD_BYTES).rstrip(b"\0").decode()
