"""The discrete Fourier transform of real numbers in float32: SciPy's, without the rest of SciPy.

``import scipy.fft`` takes half a second of processor time and 26 MB, nearly all for interfaces to other array
libraries, which every process that touches audio would pay at its start. Only the transform itself, one extension
module, is loaded here, and ``scipy.fft`` where a release of SciPy keeps it elsewhere. NumPy's own takes six times as
long.
"""

import sys
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MODULE = "pypocketfft"
_INVERSE_LENGTH = 2  # what pocketfft calls the division by the length


@cache
def _pocketfft() -> Any:
    package = find_spec("scipy")
    for folder in package.submodule_search_locations or () if package else ():
        for suffix in EXTENSION_SUFFIXES:
            file = Path(folder, "fft", "_pocketfft", _MODULE + suffix)
            if file.exists():
                loader = ExtensionFileLoader(_MODULE, str(file))
                module = module_from_spec(ModuleSpec(_MODULE, loader, origin=str(file)))
                loader.exec_module(module)
                return module
    import scipy.fft

    return sys.modules[f"{scipy.fft.__name__}._pocketfft.{_MODULE}"]


def rfft(signals: NDArray[np.float32], out: NDArray[np.complex64] | None = None) -> NDArray[np.complex64]:
    """Along the last axis: ``(..., n)`` to ``(..., n // 2 + 1)``, unscaled; into ``out`` if given."""
    spectra: NDArray[np.complex64] = _pocketfft().r2c(signals, axes=(-1,), out=out)
    return spectra


def irfft(spectra: NDArray[np.complex64], size: int) -> NDArray[np.float32]:
    """Its inverse along the last axis: ``(..., size // 2 + 1)`` to ``(..., size)``."""
    signals: NDArray[np.float32] = _pocketfft().c2r(
        spectra, axes=(-1,), lastsize=size, forward=False, inorm=_INVERSE_LENGTH
    )
    return signals
