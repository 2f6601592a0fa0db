"""Reads a torch checkpoint that holds numpy arrays, without torch and without trusting the file.

A checkpoint is a zip whose ``data.pkl`` is a pickle, and a pickle is a program. The unpickler here knows four
names, each bound to a function that builds float arrays and can do nothing else; any other name in the
stream ends the reading.
"""

import io
import pickle
import zipfile
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from separation.errors import ModelError

Weights = Mapping[str, NDArray[np.float32]]


def _new_array(kind: object, shape: object, _typecode: object) -> NDArray[np.generic]:
    """Stands in for ``numpy.core.multiarray._reconstruct``: the empty array that the next opcode fills."""
    if kind is not np.ndarray or shape != (0,):
        raise pickle.UnpicklingError("an array is built in an unexpected way")
    return np.ndarray((0,), np.int8)


def _float32(name: object, *_: object) -> np.dtype[np.float32]:
    """Stands in for ``numpy.dtype``. Object arrays in particular are refused."""
    if name != "f4":
        raise pickle.UnpicklingError(f"arrays of type {name!r} are not weights")
    return np.dtype(np.float32)


def _latin1(text: object, encoding: object) -> bytes:
    """Stands in for ``_codecs.encode``, by which protocol 2 writes bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError("bytes are written in an unexpected way")
    return text.encode("latin1")


class NumpyUnpickler(pickle.Unpickler):
    """Builds dictionaries, strings and float32 arrays; every other global raises ``UnpicklingError``."""

    _PERMITTED: Mapping[tuple[str, str], object] = {
        ("numpy.core.multiarray", "_reconstruct"): _new_array,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): _float32,
        ("_codecs", "encode"): _latin1,
    }

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        try:
            return self._PERMITTED[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module_name}.{global_name} is not permitted in a checkpoint") from None

    def persistent_load(self, _pid: Any, /) -> Any:
        raise pickle.UnpicklingError("references to outside objects are not permitted in a checkpoint")


def read_checkpoint(file: IO[bytes]) -> Weights:
    """The arrays of the checkpoint in ``file`` (seekable), by parameter name.

    Raises ``ModelError`` when the file is not such a checkpoint or holds anything but finite float32 arrays.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            (member,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            content: object = NumpyUnpickler(io.BytesIO(archive.read(member))).load()
    except (pickle.UnpicklingError, zipfile.BadZipFile, ValueError, EOFError, TypeError) as error:
        raise ModelError(f"The checkpoint cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise ModelError("The checkpoint holds no dictionary of weights.")
    for name, array in content.items():
        if not (isinstance(name, str) and isinstance(array, np.ndarray) and array.dtype == np.float32):
            raise ModelError("The checkpoint holds something that is not a float32 array.")
        if not np.isfinite(array).all():
            raise ModelError(f"The weights {name} are not finite.")
    return content
