"""The transform is SciPy's own, to the bit, and leaves the rest of SciPy alone where SciPy can be taken apart."""

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import scipy.fft

from separation.spectral import fft


@pytest.fixture(params=["as it is", "without pypocketfft"], autouse=True)
def _scipy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """SciPy from 1.18 on has no module that could be loaded by itself."""
    fft._loaded.cache_clear()
    if request.param != "as it is":
        monkeypatch.setattr(fft, "EXTENSION_SUFFIXES", [])
    yield
    fft._loaded.cache_clear()


def test_it_is_scipys_transform() -> None:
    signals = np.random.default_rng(0).standard_normal((3, 2, 4096)).astype(np.float32)
    expected = scipy.fft.rfft(signals, axis=-1)
    spectra = fft.rfft(signals)
    assert spectra.dtype == np.complex64
    assert np.array_equal(spectra, expected)
    assert np.array_equal(fft.irfft(spectra, 4096), scipy.fft.irfft(spectra, n=4096, axis=-1))
    strided = np.lib.stride_tricks.sliding_window_view(signals[0], 1024, axis=1)[:, ::256]
    assert np.array_equal(fft.rfft(strided), scipy.fft.rfft(strided, axis=-1))


def test_it_writes_where_it_is_told() -> None:
    signals = np.random.default_rng(0).standard_normal((3, 2, 64)).astype(np.float32)
    place = np.zeros((3, 2, 33), np.complex64)
    assert fft.rfft(signals, place) is place
    assert np.array_equal(place, fft.rfft(signals))


def test_the_engine_does_without_the_rest_of_scipy() -> None:
    program = (
        "import sys, numpy as np, separation.stream.job; from separation.spectral import fft;"
        "fft.rfft(np.ones((1, 8), np.float32));"
        "print(fft._pocketfft() is not None and bool({'scipy.fft', 'numpy.f2py'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert said.stdout == "False\n"


SONGS_AT_ONCE = """
import threading, time
import numpy as np
from separation.spectral import fft

made, slowly = [], fft.module_from_spec
def module_from_spec(spec):
    made.append(spec)
    time.sleep(0.2)
    return slowly(spec)
fft.module_from_spec = module_from_spec
signals = np.ones((2, 64), np.float32)
threads = [threading.Thread(target=lambda: heard.append(fft.rfft(signals).sum())) for _ in range(6)]
heard = []
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(heard), len(made) <= 1)
"""


def test_songs_that_begin_together_load_it_once() -> None:
    said = subprocess.run([sys.executable, "-c", SONGS_AT_ONCE], capture_output=True, text=True, check=True)
    assert (said.stdout, said.stderr) == ("6 True\n", "")
