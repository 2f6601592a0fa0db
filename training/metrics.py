"""How good a separation is, as the field measures it.

* Global SDR: ``10 log10(sum of s^2 / sum of (s - estimate)^2)`` over all samples and channels of a song, nothing
  aligned or scaled (Y. Mitsufuji et al., "Music Demixing Challenge 2021", Frontiers in Signal Processing 1, 2022).
* BSSEval v4: SDR, ISR, SIR and SAR of museval, per second of a song, and their median (F.-R. Stöter, A. Liutkus,
  N. Ito, "The 2018 signal separation evaluation campaign", LVA/ICA 2018).
* Leakage: what lands in the vocals of music without a voice, as a level below the mixture.
"""

import importlib.util
import warnings
from collections.abc import Sequence
from functools import cache
from importlib.metadata import distribution
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
_TINY = 1e-12


def global_sdr(reference: Samples, estimate: Samples) -> float:
    """dB; arrays of one shape."""
    error = reference.astype(np.float64) - estimate
    signal = np.vdot(reference.astype(np.float64), reference)
    return float(10 * np.log10((signal + _TINY) / (np.vdot(error, error) + _TINY)))


def leakage(mixture: Samples, vocals: Samples) -> float:
    """dB below the mixture, so negative; less is better."""
    leaked, whole = np.vdot(vocals, vocals), np.vdot(mixture, mixture)
    return float(10 * np.log10((leaked + _TINY) / (whole + _TINY)))


@cache
def _museval_metrics() -> ModuleType:
    """museval's measures without the rest of it, which looks for an FFmpeg program when it is imported."""
    path = distribution("museval").locate_file("museval/metrics.py")
    found = importlib.util.spec_from_file_location("museval_metrics", str(path))
    assert found is not None  # noqa: S101 - a path always has a loader
    assert found.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def bsseval(references: Sequence[Samples], estimates: Sequence[Samples], rate: int) -> list[dict[str, float]]:
    """For each source SDR, ISR, SIR and SAR in dB: medians over the seconds in which no source is silent.

    Arrays ``(samples, channels)``, at least two sources. NaN for a song without such a second. Takes about a third of
    the song's length.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of logarithms and divisions by zero in silent seconds, which become NaN
        measured = _museval_metrics().bss_eval(
            np.stack(references).astype(np.float64),
            np.stack(estimates).astype(np.float64),
            window=rate,
            hop=rate,
            compute_permutation=False,
            framewise_filters=False,
            bsseval_sources_version=False,
        )
        names = ("SDR", "ISR", "SIR", "SAR")
        return [
            {name: float(np.nanmedian(values[source])) for name, values in zip(names, measured[:4], strict=True)}
            for source in range(len(references))
        ]


def paired_bootstrap(differences: Sequence[float], *, resamples: int = 10_000, seed: int = 0) -> tuple[float, float]:
    """Where the mean of the differences lies with 95 % confidence.

    B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7, 1979. Songs are drawn again
    with replacement; the limits are the 2.5th and 97.5th percentile of the means.
    """
    values = np.asarray(differences, np.float64)
    drawn = np.random.default_rng(seed).integers(0, len(values), (resamples, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)
