"""Which model may take another's place: one that was measured beside it and is not worse beyond noise."""

import shutil
from pathlib import Path

from separation.models.repository import DEFAULT_MODEL, ModelRepository
from separation.models.spec import ModelManifest
from separation.models.versions import Versions
from training.errors import NotRegistered
from training.evaluation import Evaluation
from training.licences import UNKNOWN, all_free

_FEWEST_SONGS = 10
"""Of fewer songs the bootstrap says nothing: its limits come from the songs' own spread."""


def free(manifest: ModelManifest) -> bool:
    """Whether all that the weights have learnt from, before the last run too, may be used for anything."""
    return all_free(manifest.source.get("training_licences", UNKNOWN).split("; "))


def objections(manifest: ModelManifest, evaluation: Evaluation, replaced: ModelManifest) -> list[str]:
    """Why the model should not take the place of ``replaced``; each a sentence, none where it may."""
    if evaluation.models.get(manifest.name) != manifest.digest or evaluation.candidate != manifest.name:
        return [f"The evaluation is not of this file ({manifest.digest})."]
    if evaluation.incumbent is None or evaluation.models.get(evaluation.incumbent) != replaced.digest:
        return [f"The evaluation did not compare it with {replaced.name} ({replaced.digest})."]
    sdrs = [c for c in evaluation.comparisons if c.measure == "vocals_sdr"]
    if not sdrs or sdrs[0].songs < _FEWEST_SONGS:
        return [f"It was compared on fewer than {_FEWEST_SONGS} songs with a voice."]
    return [
        f"It is worse than {replaced.name} in {c.measure}: by {-c.mean:.3f} dB, with 95 % confidence between "
        f"{-c.high:.3f} and {-c.low:.3f} dB over {c.songs} songs."
        for c in evaluation.comparisons
        if c.worse_beyond_noise
    ]


def register(
    model: str,
    exported: ModelRepository,
    repository: ModelRepository,
    evaluation_file: Path,
    *,
    replaces: str = DEFAULT_MODEL,
    even_if_worse: bool = False,
) -> ModelManifest:
    """Copies the model from ``exported`` into ``repository``, with its evaluation beside it.

    Raises ``NotRegistered`` where it is worse than ``replaces`` beyond noise, or was not compared with it; with
    ``even_if_worse`` it is copied all the same. Never replaces the default model by one that was trained on data
    that is not free, now or before it was trained on (``training.licences``). Raises ``ModelError`` for damaged models.
    """
    manifest = exported.verify(model)
    evaluation = Evaluation.read(evaluation_file)
    if model == DEFAULT_MODEL and not free(manifest):
        raise NotRegistered(
            f"It cannot be {DEFAULT_MODEL}: it was trained on {manifest.source.get('training_data', 'unknown data')}, "
            f"with the licences {manifest.source.get('training_licences', UNKNOWN)}."
        )
    against = objections(manifest, evaluation, repository.verify(replaces))
    if against and not even_if_worse:
        raise NotRegistered(" ".join(against))
    _place(exported.folder(model), evaluation_file, repository, model)
    return manifest


def _place(folder: Path, evaluation_file: Path, repository: ModelRepository, name: str) -> None:
    """Makes ``folder`` the current version of ``name``; the one before stays for ``stemwright models rollback``."""

    def write(version: Path) -> ModelManifest:
        shutil.copytree(folder, version, dirs_exist_ok=True)
        shutil.copy(evaluation_file, version / "evaluation.json")
        return ModelManifest.from_json((version / "manifest.json").read_text(encoding="utf-8"))

    versions = Versions(repository, name)
    versions.promote(versions.add(write).digest)
