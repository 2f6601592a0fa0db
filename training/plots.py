"""Pictures of an evaluation: song against song, gain by gain, genre by genre."""

from pathlib import Path
from statistics import median

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.evaluation import Evaluation, Score


def draw(evaluation: Evaluation, path: Path) -> None:
    """Writes a PNG: the vocals' SDR of both models song by song, their differences in order, medians by genre."""
    columns = 3 if evaluation.by_genre() else 2
    figure = Figure(figsize=(5 * columns, 5), layout="constrained")
    songs, gains, *genres = figure.subplots(1, columns)
    ours = _of(evaluation, evaluation.candidate)
    if evaluation.incumbent:
        _against(songs, ours, _of(evaluation, evaluation.incumbent), evaluation)
        _gains(gains, ours, _of(evaluation, evaluation.incumbent))
    else:
        songs.plot(sorted(score.vocals_sdr or 0.0 for score in ours), ".")
        songs.set(xlabel="songs, in order", ylabel="vocals SDR, dB", title=evaluation.candidate)
        gains.set_axis_off()
    for axes in genres:
        _genres(axes, evaluation)
    figure.savefig(path, dpi=100)


def _of(evaluation: Evaluation, model: str) -> list[Score]:
    return [score for score in evaluation.scores if score.model == model and score.vocals_sdr is not None]


def _against(axes: Axes, ours: list[Score], theirs: list[Score], evaluation: Evaluation) -> None:
    ends = [score.vocals_sdr or 0.0 for score in (*ours, *theirs)]
    if ends:
        axes.axline((min(ends), min(ends)), slope=1, color="0.7")
    axes.plot([score.vocals_sdr or 0.0 for score in theirs], [score.vocals_sdr or 0.0 for score in ours], ".")
    axes.set(xlabel=f"{evaluation.incumbent}, dB", ylabel=f"{evaluation.candidate}, dB", title="Vocals, global SDR")


def _gains(axes: Axes, ours: list[Score], theirs: list[Score]) -> None:
    gains = sorted((a.vocals_sdr or 0.0) - (b.vocals_sdr or 0.0) for a, b in zip(ours, theirs, strict=True))
    axes.bar(range(len(gains)), gains)
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.set(xlabel="songs, in order", ylabel="gain, dB", title="Candidate minus incumbent")


def _genres(axes: Axes, evaluation: Evaluation) -> None:
    genres = evaluation.by_genre()
    height = 0.8 / len(evaluation.models)
    for number, model in enumerate(evaluation.models):
        values = [
            median([score.vocals_sdr or 0.0 for score in scores if score.model == model]) for scores in genres.values()
        ]
        axes.barh([place + number * height for place in range(len(genres))], values, height, label=model)
    axes.set_yticks([place + height / 2 for place in range(len(genres))], list(genres))
    axes.set(xlabel="vocals SDR, dB", title="Medians by genre")
    axes.legend()
