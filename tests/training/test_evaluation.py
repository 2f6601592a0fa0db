from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from separation.models.repository import DEFAULT_MODEL, ModelRepository
from separation.models.spec import ModelManifest
from tests.separation.signals import write_wav
from tests.services.worker.tiny_model import make_tiny_model
from tests.training.songs import RATE, band, voice, write_song
from training.cli import main
from training.errors import DataInvalid, NotRegistered
from training.evaluation import Comparison, Evaluation, Score, compared, evaluate
from training.metrics import bsseval, global_sdr, leakage, paired_bootstrap
from training.registration import free, objections, register


def test_global_sdr_is_the_ratio_of_energies() -> None:
    signal = voice(1)
    assert global_sdr(signal, 0.9 * signal) == pytest.approx(20, abs=1e-4)
    assert global_sdr(signal, 0 * signal) == pytest.approx(0, abs=1e-6)


def test_leakage_is_the_level_below_the_mixture() -> None:
    assert leakage(band(1), 0.01 * band(1)) == pytest.approx(-40, abs=1e-3)


def test_bsseval_tells_interference_from_artefacts() -> None:
    """A tenth of the other source lowers SIR to 20 dB, a tenth of something else SAR, and both of them SDR."""
    source, other, alien = np.random.default_rng(0).standard_normal((3, RATE, 2)).astype(np.float32)
    leaking, noisy = (bsseval([source, other], [source + 0.1 * more, other], RATE)[0] for more in (other, alien))
    assert leaking["SDR"] == pytest.approx(20, abs=0.5)
    assert noisy["SDR"] == pytest.approx(20, abs=0.5)
    assert leaking["SIR"] == pytest.approx(20, abs=0.5)
    assert noisy["SAR"] == pytest.approx(20, abs=0.5)
    assert noisy["SIR"] > 30
    assert leaking["SAR"] > 30


def test_the_bootstrap_encloses_the_mean_as_the_t_distribution_does() -> None:
    gains = np.random.default_rng(0).normal(0.1, 0.5, 50)
    low, high = paired_bootstrap(gains.tolist())
    half = 1.98 * gains.std(ddof=1) / 50**0.5
    assert low == pytest.approx(gains.mean() - half, abs=0.02)
    assert high == pytest.approx(gains.mean() + half, abs=0.02)
    assert paired_bootstrap(gains.tolist()) == (low, high)


@pytest.fixture(scope="module")
def songs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("songs")
    for number in range(2):
        write_song(folder / f"song{number}", seconds=2, seed=number)
    (folder / "tracklist.csv").write_text("Track Name,Genre\nsong0,Rock\nsong1,Jazz\n")
    return folder


def test_candidate_and_incumbent_are_measured_on_the_same_songs(
    exported: ModelRepository, songs_folder: Path, tmp_path: Path
) -> None:
    make_tiny_model(tmp_path / "models")
    (tmp_path / "bands").mkdir()
    write_wav(tmp_path / "bands" / "band.wav", band(3))
    arguments = ["evaluate", "debug-2stems", "--models", str(exported.path), "--against", "tiny-2stems"]
    arguments += ["--repository", str(tmp_path / "models"), "--data", str(songs_folder), "--kind", "stems"]
    arguments += ["--instrumentals", str(tmp_path / "bands"), "--bsseval", "--threads", "1", "--out", str(tmp_path)]
    outcome = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    evaluation = Evaluation.read(tmp_path / "evaluation.json")
    assert [(s.song, s.model) for s in evaluation.scores] == [
        (song, model) for song in ("song0", "song1", "band") for model in ("debug-2stems", "tiny-2stems")
    ]
    assert [c.measure for c in evaluation.comparisons] == ["vocals_sdr", "accompaniment_sdr", "leakage"]
    vocals, _, leaked = evaluation.comparisons
    assert vocals.better_beyond_noise, "than a model that gives three quarters of everything to the vocals"
    assert vocals.songs == 2
    ours, theirs = (
        [s.vocals_sdr for s in evaluation.scores if s.model == model and s.vocals_sdr is not None]
        for model in evaluation.models
    )
    assert vocals.mean == pytest.approx(np.mean(ours) - np.mean(theirs))
    leaks = {s.model: s.leakage for s in evaluation.scores if s.song == "band"}
    assert leaks["tiny-2stems"] is not None
    assert leaks["debug-2stems"] is not None
    assert leaked.mean == pytest.approx(leaks["tiny-2stems"] - leaks["debug-2stems"])
    summary = evaluation.summary()["debug-2stems"]
    assert set(summary["by_genre"]) == {"Rock", "Jazz"}
    assert {"vocals SDR", "accompaniment SAR"} <= set(summary["bsseval_medians"])
    assert (tmp_path / "evaluation.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_model_is_not_compared_with_itself(exported: ModelRepository, songs_folder: Path) -> None:
    model = exported.load("debug-2stems", threads=1)
    with pytest.raises(DataInvalid, match="same name"):
        evaluate(model, model, [], with_bsseval=False)


def manifest(name: str, digest: str, data: str = "stems . (CC0-1.0)") -> ModelManifest:
    return ModelManifest(name, digest, "MIT", {"training_data": data}, 44100, 4096, 1024, 512, 1024, ("vocals",))


def scores(gains: list[float]) -> list[Score]:
    """Of the models ``new`` and ``old``, the first so much better by song."""
    answer = []
    for number, gain in enumerate(gains):
        answer += [
            Score(f"song{number}", None, "new", 5 + gain, 10 + gain),
            Score(f"song{number}", None, "old", 5.0, 10.0),
        ]
    return answer


def measured(gains: list[float]) -> Evaluation:
    models = {"new": "sha256:n", "old": "sha256:o"}
    return Evaluation("new", "old", models, tuple(scores(gains)), tuple(compared(scores(gains), "new", "old")))


NOISE = [-0.6, 0.5, -0.4, 0.3, 0.2, -0.3, 0.1, -0.2, 0.4, -0.1, 0.0, 0.05]


class TestRegistration:
    def test_a_model_that_is_better_or_as_good_within_noise_may_come(self) -> None:
        for offset in (0.0, 1.0, -0.05):
            evaluation = measured([gain + offset for gain in NOISE])
            assert objections(manifest("new", "sha256:n"), evaluation, manifest("old", "sha256:o")) == []

    def test_one_that_is_worse_beyond_noise_may_not(self) -> None:
        (vocals, accompaniment) = objections(
            manifest("new", "sha256:n"), measured([gain - 0.5 for gain in NOISE]), manifest("old", "sha256:o")
        )
        assert "worse than old in vocals_sdr: by 0.504 dB" in vocals
        assert "accompaniment_sdr" in accompaniment

    def test_more_leakage_is_worse(self) -> None:
        comparison = next(
            c
            for c in compared(
                [Score(str(n), None, m, leakage=-40.0 + 5 * (m == "new")) for n in range(3) for m in ("new", "old")],
                "new",
                "old",
            )
        )
        assert comparison == Comparison("leakage", 3, -5.0, -5.0, -5.0)
        assert comparison.worse_beyond_noise

    @pytest.mark.parametrize(
        ("ours", "theirs", "gains", "reason"),
        [
            ("sha256:other", "sha256:o", NOISE, "not of this file"),
            ("sha256:n", "sha256:other", NOISE, "did not compare it with old"),
            ("sha256:n", "sha256:o", NOISE[:9], "fewer than 10 songs"),
        ],
    )
    def test_what_was_not_measured_may_not_come(self, ours: str, theirs: str, gains: list[float], reason: str) -> None:
        (objection,) = objections(manifest("new", ours), measured(gains), manifest("old", theirs))
        assert reason in objection

    def test_it_is_copied_with_its_evaluation_or_not_at_all(self, exported: ModelRepository, tmp_path: Path) -> None:
        incumbent = make_tiny_model(tmp_path / "models")
        repository = ModelRepository(tmp_path / "models")
        ours = exported.manifest("debug-2stems")
        models = {"debug-2stems": ours.digest, incumbent.name: incumbent.digest}
        renamed = {"new": "debug-2stems", "old": incumbent.name}
        worse = [replace(s, model=renamed[s.model]) for s in scores([gain - 3 for gain in NOISE])]
        comparisons = tuple(compared(worse, "debug-2stems", incumbent.name))
        file = tmp_path / "evaluation.json"
        file.write_text(Evaluation("debug-2stems", incumbent.name, models, tuple(worse), comparisons).to_json())
        with pytest.raises(NotRegistered, match="worse"):
            register("debug-2stems", exported, repository, file, replaces=incumbent.name)
        assert [m.name for m in repository.manifests()] == [incumbent.name]
        register("debug-2stems", exported, repository, file, replaces=incumbent.name, even_if_worse=True)
        assert repository.verify("debug-2stems") == ours
        assert (repository.folder("debug-2stems") / "evaluation.json").read_bytes() == file.read_bytes()

    @pytest.mark.parametrize(
        ("licences", "expected"),
        [("CC0-1.0; MIT", True), ("CC0-1.0; research only", False), ("unknown", False), (None, False)],
    )
    def test_all_that_a_model_has_learnt_from_must_be_free(self, licences: str | None, expected: bool) -> None:
        """Whatever a data set is called: DANCE is not NC."""
        found = replace(manifest("new", "sha256:n", "stems DANCE (CC0-1.0)"))
        source = {**found.source, **({"training_licences": licences} if licences else {})}
        assert free(replace(found, source=source)) is expected

    def test_what_is_not_free_never_becomes_the_default(self, debug_run: Path, tmp_path: Path) -> None:
        from training.export import export

        exported = ModelRepository(tmp_path / "exported")
        export(debug_run / "checkpoints" / "best.safetensors", exported, name=DEFAULT_MODEL, licence="none")
        file = tmp_path / "evaluation.json"
        file.write_text(measured(NOISE).to_json())
        make_tiny_model(tmp_path / "models")
        repository = ModelRepository(tmp_path / "models")
        with pytest.raises(NotRegistered, match=r"trained on stems \. \(unknown\)"):
            register(DEFAULT_MODEL, exported, repository, file, replaces="tiny-2stems", even_if_worse=True)
