"""The checkpoint reader builds float arrays and refuses everything else."""

import codecs
import io
import os
import pickle
import zipfile
from typing import Any

import numpy as np
import pytest

from separation.errors import ModelError
from separation.models.importers.checkpoint import NumpyUnpickler, read_checkpoint


def _protocol_2(content: object) -> bytes:
    """As the published checkpoints are written: protocol 2, with numpy's old module names."""
    return pickle.dumps(content, protocol=2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def _checkpoint(pickled: bytes) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("weights/data.pkl", pickled)
        archive.writestr("weights/version", b"3\n")
    file.seek(0)
    return file


def test_float_arrays_are_read() -> None:
    weights = {"conv.weight": np.arange(12, dtype=np.float32).reshape(3, 4), "conv.bias": np.ones(3, np.float32)}
    read = read_checkpoint(_checkpoint(_protocol_2(weights)))
    assert set(read) == set(weights)
    for name, array in weights.items():
        assert np.array_equal(read[name], array)


class Attack:
    """Pickles as a call of ``function``."""

    def __init__(self, function: Any, *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[object, ...]]:
        return self._call


@pytest.mark.parametrize(
    "content",
    [
        Attack(os.system, "true"),
        Attack(eval, "1"),
        Attack(getattr, "x", "upper"),
        Attack(np.load, "x"),
        Attack(np.dtype, "O"),
        Attack(np.dtype, "f8"),
        Attack(codecs.encode, "x", "rot13"),
        {"weight": np.array([print, None], dtype=object)},
        {"weight": np.ones(3, np.float64)},
        {"weight": np.array([1, np.nan], np.float32)},
        {"weight": [1.0, 2.0]},
        {"weight": "text"},
        [np.ones(3, np.float32)],
        {1: np.ones(3, np.float32)},
        Exception("x"),
        1j,
    ],
)
def test_anything_else_is_refused(content: object) -> None:
    with pytest.raises(ModelError):
        read_checkpoint(_checkpoint(_protocol_2(content)))


@pytest.mark.parametrize(
    "pickled",
    [
        b"",
        b"garbage",
        b"cos\nsystem\n(S'true'\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(J\x00\x00\x00\x7ftS'b'\ntR.",  # 2 GB at a stroke
        b"Pidentifier\n.",
        b"\x80\x02cbuiltins\nexec\n.",
    ],
)
def test_raw_opcodes_are_refused(pickled: bytes) -> None:
    with pytest.raises(ModelError):
        read_checkpoint(_checkpoint(pickled))


def test_a_file_that_is_no_checkpoint_is_refused() -> None:
    with pytest.raises(ModelError):
        read_checkpoint(io.BytesIO(b"no zip"))
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    with pytest.raises(ModelError):
        read_checkpoint(empty)


def test_the_list_of_permitted_names_is_closed() -> None:
    unpickler = NumpyUnpickler(io.BytesIO())
    for name in ("ndarray", "dtype"):
        assert unpickler.find_class("numpy", name)
    for module, name in [("numpy", "load"), ("builtins", "eval"), ("numpy.core.multiarray", "fromfile")]:
        with pytest.raises(pickle.UnpicklingError, match="not permitted"):
            unpickler.find_class(module, name)
