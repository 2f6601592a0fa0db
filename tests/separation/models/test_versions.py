"""Networks that an operator brings, and their versions side by side."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from separation import cli as commands
from separation import separate_array
from separation.errors import ModelAnswerInvalid, ModelDigestMismatch, ModelError, ModelNotFound
from separation.models.importers.onnx_file import Transform, import_onnx
from separation.models.repository import ModelRepository
from separation.models.spec import ModelManifest
from separation.models.versions import Versions
from tests.separation.models.toy_network import STEMS, write_toy_network
from tests.separation.signals import music

NAME = "toy-4stems"


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    return ModelRepository(tmp_path / "models")


def added(repository: ModelRepository, folder: Path, seed: int, frames: int = 128) -> ModelManifest:
    """An import asks the network half a dozen patches, and short ones are enough to tell versions apart."""
    file = write_toy_network(folder / f"toy-{seed}.onnx", seed=seed, frames=frames)
    return import_onnx(repository, NAME, file, STEMS, licence="CC0-1.0")


def test_a_network_of_four_stems_separates(repository: ModelRepository, tmp_path: Path) -> None:
    manifest = added(repository, tmp_path, 1, frames=512)
    assert repository.verify(NAME) == manifest
    assert (manifest.stems, manifest.frames, manifest.bins, manifest.licence) == (STEMS, 512, 1024, "CC0-1.0")
    assert repository.canary(NAME) is not None
    assert manifest.digest in (repository.folder(NAME) / "README.md").read_text()
    mixture = music(3)
    stems = separate_array(mixture, 44100, model=repository.load(NAME, threads=1))
    np.testing.assert_allclose(stems["vocals"] + stems["instrumental"], mixture, atol=1e-6)
    assert 0.001 < np.square(stems["vocals"]).mean() / np.square(mixture).mean() < 0.999


BREACHES: list[tuple[dict[str, Any], tuple[str, ...], type[ModelError], str]] = [
    ({"name": "spectrum"}, STEMS, ModelError, "not magnitudes alone"),
    ({"stems": 3}, STEMS, ModelError, r"must be \(batch, 4, 2, frames, bins\)"),
    ({"bins": 1024}, STEMS, ModelError, "with batch and bins free"),
    ({"gain": 1.5}, STEMS, ModelAnswerInvalid, "outside 0 to 1"),
    ({"gain": float("nan")}, STEMS, ModelAnswerInvalid, "not finite"),
    ({"looks_at_batch": True}, STEMS, ModelAnswerInvalid, "depends on the other patches"),
    ({}, ("singer", "drums", "bass", "other"), ModelError, "vocals be among them"),
    ({}, ("vocals", "drums", "drums", "other"), ModelError, "once each"),
]


@pytest.mark.parametrize(("breach", "stems", "error", "sentence"), BREACHES)
def test_a_network_that_breaks_the_contract_is_refused_and_leaves_nothing(
    repository: ModelRepository,
    tmp_path: Path,
    breach: dict[str, Any],
    stems: tuple[str, ...],
    error: type[ModelError],
    sentence: str,
) -> None:
    file = write_toy_network(tmp_path / "toy.onnx", frames=128, **breach)
    with pytest.raises(error, match=sentence):
        import_onnx(repository, NAME, file, stems, licence="CC0-1.0")
    assert repository.manifests() == []
    assert not [path for path in repository.path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "transform", [Transform(hop=1000), Transform(hop=2048), Transform(fft_size=1024, hop=256), Transform(bins=1000)]
)
def test_a_transform_that_the_engine_cannot_invert_never_becomes_current(
    repository: ModelRepository, tmp_path: Path, transform: Transform
) -> None:
    file = write_toy_network(tmp_path / "toy.onnx")
    with pytest.raises(ModelError):
        import_onnx(repository, NAME, file, STEMS, licence="CC0-1.0", transform=transform)
    assert repository.manifests() == []
    options = ["--hop", transform.hop, "--fft-size", transform.fft_size, "--bins", transform.bins]
    command = ["add", NAME, file, "--stems", ",".join(STEMS), "--licence", "CC0-1.0", *options]
    result = CliRunner().invoke(commands.models, [*map(str, command), "--repository", str(repository.path)])
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)


@pytest.mark.parametrize("transform", [Transform(48000, 2048, 512, 512), Transform(fft_size=6144, bins=1536)])
def test_other_transforms_separate(repository: ModelRepository, tmp_path: Path, transform: Transform) -> None:
    file = write_toy_network(tmp_path / "toy.onnx", frames=128)
    import_onnx(repository, NAME, file, STEMS, licence="CC0-1.0", transform=transform)
    mixture = music(1)
    stems = separate_array(mixture, 44100, model=repository.load(NAME, threads=1))
    np.testing.assert_allclose(stems["vocals"] + stems["instrumental"], mixture, atol=1e-6)


def test_patches_that_the_engine_cannot_lay_side_by_side_are_refused(
    repository: ModelRepository, tmp_path: Path
) -> None:
    """Every number of it is in order; only a song shows that the patches are too short for their cross-fades."""
    file = write_toy_network(tmp_path / "toy.onnx", frames=64)
    with pytest.raises(ModelError, match="cannot separate with this network"):
        import_onnx(repository, NAME, file, STEMS, licence="CC0-1.0")
    assert repository.manifests() == []


def test_what_is_no_network_is_refused(repository: ModelRepository, tmp_path: Path) -> None:
    (tmp_path / "song.onnx").write_bytes(b"not a network")
    with pytest.raises(ModelError, match="no valid ONNX file"):
        import_onnx(repository, NAME, tmp_path / "song.onnx", STEMS, licence="CC0-1.0")


def test_versions_stand_side_by_side_and_one_is_current(repository: ModelRepository, tmp_path: Path) -> None:
    first, second, third = (added(repository, tmp_path, seed) for seed in (1, 2, 3))
    versions = Versions(repository, NAME)
    assert versions.current() == first
    assert {one.digest for one in versions.all()} == {first.digest, second.digest, third.digest}

    assert versions.promote(second.digest) == second
    assert versions.promote(third.digest.removeprefix("sha256:")[:8]) == third
    assert repository.verify(NAME) == versions.all()[0] == third
    canary = repository.canary(NAME)
    assert canary is not None
    assert canary.digest == third.digest

    assert versions.rollback() == second
    assert versions.rollback() == first
    with pytest.raises(ModelNotFound, match="No version"):
        versions.rollback()
    for digest in ("none", "sha256:", ""):
        with pytest.raises(ModelNotFound, match=rf"No digest begins with '{digest}'.*{second.digest[7:19]}"):
            versions.promote(digest)
    none = pytest.raises(ModelNotFound, match=f"There is no model toy in .* There are: {NAME}")
    with none:
        Versions(repository, "toy").promote(first.digest)
    with none:
        Versions(repository, "toy").rollback()
    assert repository.manifest(NAME) == first


def test_adding_a_version_again_changes_nothing(repository: ModelRepository, tmp_path: Path) -> None:
    first, second = added(repository, tmp_path, 1), added(repository, tmp_path, 2)
    assert added(repository, tmp_path, 1) == first
    assert [one.digest for one in Versions(repository, NAME).all()] == [first.digest, second.digest]


def test_an_imported_folder_becomes_a_version(repository: ModelRepository, tmp_path: Path) -> None:
    plain = ModelRepository(tmp_path / "plain")
    first = added(plain, tmp_path, 1)
    repository.path.mkdir()
    plain.folder(NAME).resolve().rename(repository.folder(NAME))  # as an import writes it
    second = added(repository, tmp_path, 2)
    versions = Versions(repository, NAME)
    assert versions.current() == first
    versions.promote(second.digest)
    assert versions.rollback() == first
    assert repository.verify(NAME) == first


def test_a_damaged_version_is_not_promoted(repository: ModelRepository, tmp_path: Path) -> None:
    first, second = added(repository, tmp_path, 1), added(repository, tmp_path, 2)
    (damaged,) = repository.path.glob(f".versions/{NAME}/{second.digest[7:19]}/1/model.onnx")
    damaged.write_bytes(b"other bytes")
    with pytest.raises(ModelDigestMismatch):
        Versions(repository, NAME).promote(second.digest)
    assert repository.verify(NAME) == first
    for digest in ("", "sha256:", "0123456789ab"):
        with pytest.raises(ModelNotFound):
            Versions(repository, NAME).promote(digest)


def test_the_commands(repository: ModelRepository, tmp_path: Path) -> None:
    place = ["--repository", str(repository.path)]

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(commands.models, [*arguments, *place])

    for seed in (1, 2):
        file = str(write_toy_network(tmp_path / f"{seed}.onnx", seed=seed, frames=128))
        done = run("add", NAME, file, "--stems", "vocals, drums,bass,other", "--licence", "CC0-1.0")
        assert done.exit_code == 0, done.output
    first, second = (one.digest for one in Versions(repository, NAME).all())
    assert run("list").stdout.splitlines() == [f"{NAME}  {first}  CC0-1.0  current", f"{NAME}  {second}  CC0-1.0"]
    assert run("verify").stdout.splitlines() == [f"{NAME}  {first}  ok", f"{NAME}  {second}  ok"]
    assert run("promote", NAME, second).stdout == f"{NAME}  {second}  CC0-1.0  current\n"
    assert run("rollback", NAME).stdout == f"{NAME}  {first}  CC0-1.0  current\n"
    for refused in (("rollback", NAME), ("promote", NAME, "f" * 12), ("verify", "none")):
        result = run(*refused)
        assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)


def test_what_a_killed_import_left_is_cleared_by_the_next(repository: ModelRepository, tmp_path: Path) -> None:
    added(repository, tmp_path, 1)
    left = repository.path / ".versions" / NAME / ".partial-ab12cd_9"  # as the kernel leaves it, unlocked
    (left / "made").mkdir(parents=True)
    added(repository, tmp_path, 2)
    assert not left.exists()
    assert len(Versions(repository, NAME).all()) == 2
