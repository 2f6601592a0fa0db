"""A configuration that trains in a second or two, with everything on that draws random numbers."""

from typing import Any

from training.config import RunConfig


def tiny(*, seed: int = 7, **changes: dict[str, Any]) -> RunConfig:
    """``changes`` are merged into the sections of their names."""
    sources = [{"kind": "stems"}]
    sections: dict[str, Any] = {
        "seed": seed,
        "network": {"channels": 1},
        "patch": {"frames": 128, "bins": 64},
        "data": {"training": sources, "validation": sources, "workers": 0},
        "optimisation": {"steps": 6, "batch": 1, "accumulation": 2, "learning_rate": 1e-3, "warmup_steps": 2},
        "validation": {"every_steps": 3, "patches": 2, "audio": 1},
        "log_every_steps": 1,
        "checkpoint_every_steps": 2,
    }
    for name, change in changes.items():
        sections[name] = {**sections[name], **change}
    return RunConfig.model_validate(sections)


def distributed(*, accumulation: int, workers: int) -> RunConfig:
    """For runs of any number of processes: with ``accumulation`` times as many all take the same steps."""
    return tiny(
        optimisation={"accumulation": accumulation, "steps": 4},
        validation={"every_steps": 2, "patches": 3},
        data={"workers": workers},
    )
