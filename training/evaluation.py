"""Measures a model and its incumbent on the same songs in one run, through the product's own engine.

So the figures are those of what a person gets: overlapping patches, projected masks, Wiener filter and all, with the
instrumental as mixture minus vocals.
"""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np

from separation import separate_array
from separation.models.separator import MaskModel
from separation.models.unet import SAMPLE_RATE_HZ
from training.errors import DataInvalid
from training.metrics import bsseval, global_sdr, leakage, paired_bootstrap
from training.recordings import Reader, Samples
from training.sources import ACCOMPANIMENT, Song

_STEMS = ("vocals", ACCOMPANIMENT)


@dataclass(frozen=True)
class Score:
    """One model on one song, dB. Of a song with a voice both SDRs, of music without one the leakage."""

    song: str
    genre: str | None
    model: str
    vocals_sdr: float | None = None
    accompaniment_sdr: float | None = None
    leakage: float | None = None
    bsseval: dict[str, float] = field(default_factory=dict)
    """museval's medians over seconds, such as ``vocals SIR``; none in it is NaN."""


# What is compared, and whether more of it is better.
MEASURES = {"vocals_sdr": True, "accompaniment_sdr": True, "leakage": False}


@dataclass(frozen=True)
class Comparison:
    """How much better the candidate is than the incumbent in one measure, dB: positive is better for all of them.

    ``low`` and ``high`` enclose the mean with 95 % confidence over songs (paired bootstrap).
    """

    measure: str
    songs: int
    mean: float
    low: float
    high: float

    @property
    def worse_beyond_noise(self) -> bool:
        return self.high < 0

    @property
    def better_beyond_noise(self) -> bool:
        return self.low > 0


@dataclass(frozen=True)
class Evaluation:
    """``models`` are the digests by name, the candidate first; without an incumbent there is one, and no comparison."""

    candidate: str
    incumbent: str | None
    models: dict[str, str]
    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]

    def to_json(self) -> str:
        return json.dumps({**asdict(self), "summary": self.summary()}, indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> "Evaluation":
        """Raises ``DataInvalid`` for a file that no evaluation has written."""
        try:
            fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                fields["candidate"],
                fields["incumbent"],
                fields["models"],
                tuple(Score(**score) for score in fields["scores"]),
                tuple(Comparison(**comparison) for comparison in fields["comparisons"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataInvalid(f"{path} is no evaluation: {error}.") from error

    def by_genre(self) -> dict[str, list[Score]]:
        """Scores of songs with a voice whose genre is known."""
        genres: dict[str, list[Score]] = {}
        for score in self.scores:
            if score.genre and score.vocals_sdr is not None:
                genres.setdefault(score.genre, []).append(score)
        return dict(sorted(genres.items()))

    def summary(self) -> dict[str, Any]:
        """By model: medians and means over songs, museval's medians over songs, and medians by genre."""
        return {
            model: {
                **_middle([score for score in self.scores if score.model == model]),
                "by_genre": {
                    genre: _middle([score for score in scores if score.model == model])
                    for genre, scores in self.by_genre().items()
                },
            }
            for model in self.models
        }


def _middle(scores: Sequence[Score]) -> dict[str, Any]:
    answer: dict[str, Any] = {"songs": len(scores)}
    for measure in MEASURES:
        values = [value for score in scores if (value := getattr(score, measure)) is not None]
        if values:
            answer[measure] = {"median": round(median(values), 3), "mean": round(fmean(values), 3)}
    names = dict.fromkeys(name for score in scores for name in score.bsseval)
    if names:
        answer["bsseval_medians"] = {
            name: round(median(score.bsseval[name] for score in scores if name in score.bsseval), 3) for name in names
        }
    return answer


@dataclass(frozen=True)
class _Known:
    """A song's true parts at 44.1 kHz, ``(samples, 2)``."""

    vocals: Samples | None
    accompaniment: Samples

    @property
    def mixture(self) -> Samples:
        return self.accompaniment if self.vocals is None else self.vocals + self.accompaniment


def _known(song: Song, reader: Reader) -> _Known:
    def whole(stem: str) -> Samples:
        return np.ascontiguousarray(song.read(reader, stem, _STEMS, 0, song.samples).T)

    return _Known(whole("vocals") if "vocals" in song.parts else None, whole(ACCOMPANIMENT))


def _scored(song: Song, known: _Known, model: MaskModel, *, with_bsseval: bool) -> Score:
    name = model.manifest.name
    stems = separate_array(known.mixture, SAMPLE_RATE_HZ, model=model)
    vocals, accompaniment = stems["vocals"], stems["instrumental"]
    if known.vocals is None:
        return Score(song.name, song.genre, name, leakage=leakage(known.mixture, vocals))
    more: dict[str, float] = {}
    if with_bsseval:
        measured = bsseval([known.vocals, known.accompaniment], [vocals, accompaniment], SAMPLE_RATE_HZ)
        more = {
            f"{stem} {measure}": value
            for stem, values in zip(_STEMS, measured, strict=True)
            for measure, value in values.items()
            if math.isfinite(value)
        }
    return Score(
        song.name,
        song.genre,
        name,
        vocals_sdr=global_sdr(known.vocals, vocals),
        accompaniment_sdr=global_sdr(known.accompaniment, accompaniment),
        bsseval=more,
    )


def compared(scores: Sequence[Score], candidate: str, incumbent: str) -> Iterator[Comparison]:
    """For each measure that any song has. Songs are told apart by their order, in which both models' scores are."""
    for measure, more_is_better in MEASURES.items():
        ours, theirs = (
            [value for score in scores if score.model == model and (value := getattr(score, measure)) is not None]
            for model in (candidate, incumbent)
        )
        gains = [(a - b) if more_is_better else (b - a) for a, b in zip(ours, theirs, strict=True)]
        if gains:
            yield Comparison(measure, len(gains), fmean(gains), *paired_bootstrap(gains))


def evaluate(
    candidate: MaskModel,
    incumbent: MaskModel | None,
    songs: Sequence[Song],
    *,
    with_bsseval: bool,
    cache: Path | None = None,
    on_song: Callable[[Sequence[Score]], None] = lambda _: None,
) -> Evaluation:
    """Separates every song with each model. Blocks for minutes; needs the memory for one whole song at a time.

    Raises ``DataInvalid`` where both models have one name, ``ModelError`` where one does not estimate vocals.
    """
    models = [candidate] if incumbent is None else [candidate, incumbent]
    digests = {model.manifest.name: model.manifest.digest for model in models}
    if len(digests) < len(models):
        raise DataInvalid("Candidate and incumbent have the same name.")
    reader, scores = Reader(cache), list[Score]()
    for song in songs:
        known = _known(song, reader)
        latest = [_scored(song, known, model, with_bsseval=with_bsseval) for model in models]
        scores += latest
        on_song(latest)
    name = candidate.manifest.name
    other = incumbent.manifest.name if incumbent else None
    return Evaluation(name, other, digests, tuple(scores), tuple(compared(scores, name, other)) if other else ())
