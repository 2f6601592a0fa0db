"""The discrete Fourier transform of real numbers in float32: SciPy's, without the rest of SciPy where that is possible.

``import scipy.fft`` takes 0.3 s of processor time and 26 to 33 MB, nearly all for interfaces to other array libraries,
which every process that touches audio would pay at its start. Up to SciPy 1.17 the transform itself is one extension
module, ``pypocketfft``, and only that is loaded; later releases have it no more, and ``scipy.fft`` is called as
everybody does. NumPy's own takes three times as long forward.
"""

from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MODULE = "pypocketfft"
_INVERSE_LENGTH = 2  # what pocketfft calls the division by the length
_LOADING = Lock()


def _pocketfft() -> Any | None:
    # An extension that is loaded by two threads at once is empty for one of them: songs that begin together need it so.
    with _LOADING:
        return _loaded()


@cache
def _loaded() -> Any | None:
    package = find_spec("scipy")
    for folder in package.submodule_search_locations or () if package else ():
        for suffix in EXTENSION_SUFFIXES:
            file = Path(folder, "fft", "_pocketfft", _MODULE + suffix)
            if file.exists():
                loader = ExtensionFileLoader(_MODULE, str(file))
                module = module_from_spec(ModuleSpec(_MODULE, loader, origin=str(file)))
                loader.exec_module(module)
                return module
    return None


def rfft(signals: NDArray[np.float32], out: NDArray[np.complex64] | None = None) -> NDArray[np.complex64]:
    """Along the last axis: ``(..., n)`` to ``(..., n // 2 + 1)``, unscaled; into ``out`` if given."""
    spectra: NDArray[np.complex64]
    if pocketfft := _pocketfft():
        spectra = pocketfft.r2c(signals, axes=(-1,), out=out)
        return spectra
    import scipy.fft

    spectra = scipy.fft.rfft(signals, axis=-1)
    if out is None:
        return spectra
    out[...] = spectra
    return out


def irfft(spectra: NDArray[np.complex64], size: int) -> NDArray[np.float32]:
    """Its inverse along the last axis: ``(..., size // 2 + 1)`` to ``(..., size)``."""
    signals: NDArray[np.float32]
    if pocketfft := _pocketfft():
        signals = pocketfft.c2r(spectra, axes=(-1,), lastsize=size, forward=False, inorm=_INVERSE_LENGTH)
        return signals
    import scipy.fft

    signals = scipy.fft.irfft(spectra, n=size, axis=-1)
    return signals
