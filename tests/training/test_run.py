import math
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import NamedTuple

import numpy as np
import pytest
import torch
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from tests.training.configs import tiny
from training import checkpoint as checkpoints
from training.checkpoint import BEST
from training.config import RunConfig, load_config
from training.distributed import RunProcess
from training.errors import CheckpointInvalid, ConfigInvalid, RunDiverged
from training.moving_average import MovingAverage
from training.network import SeparationNetwork
from training.progress import Reached, learning_rate
from training.run import Outcome, Run, new_network, start_licences

ALONE = RunProcess(0, 1, torch.device("cpu"))


def train(config: RunConfig, folder: Path, data: Path, should_stop: Callable[[], bool] = lambda: False) -> Outcome:
    return Run(config, folder, data, ALONE, cache=None, console=Console(quiet=True)).train(should_stop)


def newest(folder: Path) -> dict[str, Tensor]:
    return dict(checkpoints.read(checkpoints.numbered(folder / "checkpoints")[-1]).tensors)


def curve(folder: Path, name: str) -> dict[int, float]:
    """A scalar by step, over all sittings of a run."""
    board = EventAccumulator(str(folder / "board")).Reload()
    return {event.step: event.value for event in board.Scalars(name)}


class Ran(NamedTuple):
    folder: Path
    outcome: Outcome


@pytest.fixture(scope="module")
def ran(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A whole run of `tiny()`, which has the same numbers each time; it is read, or copied."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    return Ran(folder, train(tiny(), folder, data))


@pytest.fixture
def copied(ran: Ran, tmp_path: Path) -> Path:
    """Its folder, for a test that goes on with it."""
    return copytree(ran.folder, tmp_path / "run")


class TestResume:
    def test_a_run_that_was_stopped_goes_on_with_the_same_numbers(self, data: Path, ran: Ran, tmp_path: Path) -> None:
        config = tiny()
        asked = iter([False, False, True])
        stopped = train(config, tmp_path / "halves", data, lambda: next(asked))
        assert (stopped.finished, stopped.reached.steps) == (False, 3)
        resumed = train(config, tmp_path / "halves", data)
        assert resumed == ran.outcome
        ours, theirs = newest(tmp_path / "halves"), newest(ran.folder)
        assert ours.keys() == theirs.keys()
        for name, tensor in theirs.items():
            assert torch.equal(ours[name], tensor), name
        for name in ("train/loss", "validation/loss"):
            assert curve(tmp_path / "halves", name) == curve(ran.folder, name)

    def test_a_killed_run_repeats_what_came_after_its_checkpoint(self, data: Path, tmp_path: Path) -> None:
        config = tiny(validation={"every_steps": 100})
        train(config, tmp_path / "whole", data)

        asked = iter([False] * 3)  # once a step; at the fourth the process dies, with a checkpoint of the second
        with pytest.raises(StopIteration):
            train(config, tmp_path / "killed", data, lambda: next(asked))
        train(config, tmp_path / "killed", data)
        ours, theirs = newest(tmp_path / "killed"), newest(tmp_path / "whole")
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)

    def test_a_finished_run_is_left_as_it_is(self, data: Path, ran: Ran, copied: Path) -> None:
        before = checkpoints.numbered(copied / "checkpoints")[-1].stat().st_mtime_ns
        assert train(tiny(), copied, data) == ran.outcome
        assert checkpoints.numbered(copied / "checkpoints")[-1].stat().st_mtime_ns == before

    def test_another_configuration_is_refused(self, data: Path, copied: Path) -> None:
        with pytest.raises(ConfigInvalid, match=r"optimisation\.learning_rate"):
            train(tiny(optimisation={"learning_rate": 0.5}), copied, data)

    def test_workers_do_not_change_the_numbers(self, data: Path, ran: Ran, tmp_path: Path) -> None:
        train(tiny(data={"workers": 2}), tmp_path / "helped", data)
        ours, theirs = newest(tmp_path / "helped"), newest(ran.folder)
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


class TestCheckpoints:
    def test_only_the_newest_two_are_kept_beside_the_best(self, ran: Ran) -> None:
        files = sorted(path.name for path in (ran.folder / "checkpoints").iterdir())
        assert files == [BEST, "step-000000004.safetensors", "step-000000006.safetensors"]

    def test_the_best_is_the_averaged_network(self, data: Path, tmp_path: Path) -> None:
        config = tiny(validation={"every_steps": 6})
        train(config, tmp_path / "run", data)
        best = checkpoints.read(tmp_path / "run" / "checkpoints" / BEST)
        average = {n: t for n, t in newest(tmp_path / "run").items() if n.startswith("average.")}
        assert best.tensors.keys() == average.keys()
        assert all(torch.equal(best.tensors[name], tensor) for name, tensor in average.items())
        assert best.config == config

    def test_a_failure_while_writing_leaves_what_was_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        network = {f"average.{n}": t for n, t in new_network(tiny()).state_dict().items()}
        path = tmp_path / BEST
        checkpoints.write(path, checkpoints.Checkpoint(tiny(), Reached(1), network, {}))
        content = path.read_bytes()

        def full_disk(_: object, file: Path, __: object) -> None:
            file.write_bytes(b"half a file")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(checkpoints, "save_file", full_disk)
        with pytest.raises(OSError, match="No space"):
            checkpoints.write(path, checkpoints.Checkpoint(tiny(), Reached(2), network, {}))
        assert [file.name for file in tmp_path.iterdir()] == [BEST]
        assert path.read_bytes() == content

    def test_what_is_no_checkpoint_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "x.safetensors"
        with pytest.raises(CheckpointInvalid, match="cannot be read"):
            checkpoints.read(path)
        path.write_bytes(b"\x80\x04pickle")
        with pytest.raises(CheckpointInvalid, match="cannot be read"):
            checkpoints.read(path)

    def test_a_run_may_start_from_another_runs_weights(self, ran: Ran) -> None:
        best = ran.folder / "checkpoints" / BEST
        started = new_network(tiny(network={"start": str(best)}))
        torch.testing.assert_close(started.state_dict(), checkpoints.read(best).network().state_dict())

    def test_a_run_that_goes_on_does_not_need_what_it_started_from(
        self, data: Path, copied: Path, tmp_path: Path
    ) -> None:
        best = copied / "checkpoints" / BEST
        config = tiny(network={"start": str(best)})
        asked = iter([False, True])
        assert train(config, tmp_path / "second", data, lambda: next(asked)).reached.steps == 2
        best.unlink()
        assert train(config, tmp_path / "second", data).finished


class TestTraining:
    def test_the_first_weights_are_validated_before_the_first_step(self, data: Path, tmp_path: Path) -> None:
        """A run that makes them worse keeps them as its best."""
        config = tiny(optimisation={"learning_rate": 30.0, "ema_decay": 0.0}, validation={"every_steps": 2})
        train(config, tmp_path / "run", data)
        losses = curve(tmp_path / "run", "validation/loss")
        assert sorted(losses) == [0, 2, 4, 6]
        assert min(losses, key=lambda step: losses[step]) == 0
        best = checkpoints.read(tmp_path / "run" / "checkpoints" / BEST)
        torch.testing.assert_close(best.network().state_dict(), new_network(config).state_dict())

    def test_gradients_of_accumulated_batches_are_those_of_their_mean(self, data: Path, tmp_path: Path) -> None:
        """Without norms in the way a step of two batches of one is a step of one batch of two."""
        same = {"steps": 1, "warmup_steps": 0}
        still = {"dropout": 0.0, "trained": ("up7",)}
        one = tiny(network=still, optimisation={**same, "batch": 2, "accumulation": 1})
        two = tiny(network=still, optimisation={**same, "batch": 1, "accumulation": 2})
        train(one, tmp_path / "one", data)
        train(two, tmp_path / "two", data)
        ours, theirs = newest(tmp_path / "two"), newest(tmp_path / "one")
        for name in theirs:
            if name.startswith("optimizer.exp_avg."):
                torch.testing.assert_close(ours[name], theirs[name], rtol=1e-4, atol=1e-8)

    def test_only_what_was_named_is_trained(self, data: Path, tmp_path: Path) -> None:
        config = tiny(network={"trained": ("up6", "up7")})
        train(config, tmp_path / "run", data)
        trained, first = newest(tmp_path / "run"), new_network(config).state_dict()
        for name, tensor in first.items():
            if name.endswith("num_batches_tracked"):
                continue
            part = name.split(".")[2]
            changed = not torch.equal(trained[f"network.{name}"], tensor)
            assert changed == (part in {"up6", "up7"}), name

    def test_fixed_statistics_stay_as_they_are(self, data: Path, ran: Ran, tmp_path: Path) -> None:
        assert tiny().network.statistics == "batch"
        train(tiny(network={"statistics": "fixed"}), tmp_path / "fixed", data)
        for folder, stay in ((tmp_path / "fixed", True), (ran.folder, False)):
            variances = [t for name, t in newest(folder).items() if "running_var" in name]
            assert variances
            assert all(bool((variance == 1).all()) == stay for variance in variances)

    def test_bfloat16_trains_too(self, data: Path, ran: Ran, tmp_path: Path) -> None:
        outcome = train(tiny(optimisation={"precision": "bf16"}), tmp_path / "half", data)
        exact = ran.outcome.reached.best_loss
        assert outcome.reached.best_loss == pytest.approx(exact, rel=0.05)
        assert outcome.reached.best_loss != exact

    def test_patience_ends_a_run_that_gets_no_better(self, data: Path, tmp_path: Path) -> None:
        still = {"learning_rate": 1e-12, "final_learning_rate": 0.0, "steps": 50}
        config = tiny(network={"trained": ("up7",)}, optimisation=still, validation={"every_steps": 1, "patience": 2})
        outcome = train(config, tmp_path / "run", data)
        assert outcome.finished
        assert outcome.reached.since_best == 2
        assert outcome.reached.steps < 50

    def test_a_loss_that_is_not_finite_ends_the_run(self, data: Path, tmp_path: Path) -> None:
        run = Run(tiny(), tmp_path / "run", data, ALONE, cache=None, console=Console(quiet=True))
        with torch.no_grad():
            next(run._network.parameters()).fill_(math.nan)
        with pytest.raises(RunDiverged, match="step 1"):
            run.train()
        assert not checkpoints.numbered(tmp_path / "run" / "checkpoints")

    def test_the_board_has_curves_and_sounds(self, ran: Ran) -> None:
        board = EventAccumulator(str(ran.folder / "board")).Reload()
        assert {"train/loss", "train/vocals", "validation/loss", "learning_rate"} <= set(board.Tags()["scalars"])
        sounds = set(board.Tags()["audio"])
        assert {"0/mixture", "0/vocals", "0/vocals (target)", "0/accompaniment"} <= sounds
        (latest, *_) = board.Audio("0/mixture")
        assert latest.sample_rate == 44100
        assert latest.encoded_audio_string[:4] == b"RIFF"

    def test_the_learning_rate_rises_and_falls(self) -> None:
        config = tiny(
            optimisation={"steps": 100, "warmup_steps": 10, "learning_rate": 1e-3, "final_learning_rate": 1e-5}
        ).optimisation
        rates = [learning_rate(step, config) for step in range(101)]
        assert rates[0] == pytest.approx(1e-4)
        assert max(rates) == rates[9] == rates[10] == 1e-3
        assert rates[55] == pytest.approx((1e-3 + 1e-5) / 2)
        assert rates[100] == pytest.approx(1e-5)

    def test_the_average_forgets_its_beginning_and_then_is_slow(self) -> None:
        network = SeparationNetwork(("vocals",), channels=1)
        average = MovingAverage(network, 0.99)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.fill_(1)
            for parameter in average.network.parameters():
                parameter.fill_(0)
        average.update(network, 1)
        first = next(average.network.parameters()).flatten()[0].item()
        assert first == pytest.approx(1 - 2 / 11)
        average.update(network, 100_000)
        assert next(average.network.parameters()).flatten()[0].item() == pytest.approx(first * 0.99 + 0.01)


class TestDebugRun:
    def test_the_loss_halves_on_two_clips(self, debug_run: Path) -> None:
        """From the first step, and from what the best constant mask would leave."""
        losses = curve(debug_run, "train/loss")
        steps = sorted(losses)
        assert losses[steps[-1]] < losses[steps[0]] / 2
        validations = curve(debug_run, "validation/loss")
        assert validations[max(validations)] < losses[steps[0]] / 2

    def test_it_is_over_after_a_few_patches(self, debug_run: Path) -> None:
        """Which a laptop's processor does in a minute; how long it took here is a matter of what else runs."""
        taken = load_config("debug").optimisation
        assert max(curve(debug_run, "train/loss")) == taken.steps
        assert taken.steps * taken.batch * taken.accumulation <= 200


def test_a_configuration_with_an_unknown_field_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text("speed = 3\n[optimisation]\nsteps = 1\n")
    with pytest.raises(ConfigInvalid, match="speed: Extra inputs"):
        load_config(str(path))
    path.write_text(path.read_text().replace("speed = 3", "[network]\nstart = 'published'"))
    with pytest.raises(ConfigInvalid, match="never collected statistics"):
        load_config(str(path))
    with pytest.raises(ConfigInvalid, match="neither a file nor one of base, debug, finetune"):
        load_config("fast")


def test_seeds_decide_the_first_weights() -> None:
    first, same, other = (new_network(tiny(seed=seed)).state_dict() for seed in (1, 1, 2))
    name = "networks.vocals.down1_conv.1.weight"
    assert torch.equal(first[name], same[name])
    assert not np.array_equal(first[name], other[name])


def test_what_a_run_began_with_is_not_forgotten(tmp_path: Path) -> None:
    """Not even over two runs, and when the file that the last one began with is gone."""
    path = tmp_path / "first.safetensors"
    tensors = {"average.x": torch.zeros(1)}
    checkpoints.write(path, checkpoints.Checkpoint(tiny(), Reached(1), tensors, {}, ("research only",)))
    known = start_licences(tiny(network={"start": str(path)}))
    assert known == ("research only", "unknown")
    assert start_licences(tiny()) == ()
    assert start_licences(tiny(network={"start": "published", "statistics": "fixed"})) == ("MIT",)
    checkpoints.write(path, checkpoints.Checkpoint(tiny(), Reached(2), tensors, {}, known))
    assert checkpoints.read(path).licences == ("research only", "unknown")
