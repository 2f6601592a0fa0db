"""The transform that is loaded by itself is SciPy's own, to the bit, and leaves the rest of SciPy alone."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.fft

from separation import fourier


def test_it_is_scipys_transform() -> None:
    signals = np.random.default_rng(0).standard_normal((3, 2, 4096)).astype(np.float32)
    spectra = fourier.rfft(signals)
    assert spectra.dtype == np.complex64
    assert np.array_equal(spectra, scipy.fft.rfft(signals, axis=-1))
    assert np.array_equal(fourier.irfft(spectra, 4096), scipy.fft.irfft(spectra, n=4096, axis=-1))
    strided = np.lib.stride_tricks.sliding_window_view(signals[0], 1024, axis=1)[:, ::256]
    assert np.array_equal(fourier.rfft(strided), scipy.fft.rfft(strided, axis=-1))


def test_it_is_found_where_scipy_keeps_it_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    fourier._pocketfft.cache_clear()
    monkeypatch.setattr(fourier, "EXTENSION_SUFFIXES", [])
    signals = np.ones((1, 8), np.float32)
    assert np.array_equal(fourier.rfft(signals), scipy.fft.rfft(signals))
    fourier._pocketfft.cache_clear()


def test_the_engine_does_without_the_rest_of_scipy() -> None:
    program = (
        "import sys, numpy as np, separation.engine;"
        "from separation.fourier import rfft; rfft(np.ones((1, 8), np.float32));"
        "assert 'scipy.fft' not in sys.modules and 'numpy.f2py' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
