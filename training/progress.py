"""What a run has reached, and what follows from it: the learning rate, and whether to go on."""

import math
from dataclasses import dataclass, replace

from training.config import OptimisationConfig


def learning_rate(step: int, config: OptimisationConfig) -> float:
    """Of the step number ``step``, from 0: a linear warm-up, then half a cosine to ``final_learning_rate``.

    I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, without restarts.
    """
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    fraction = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    span = config.learning_rate - config.final_learning_rate
    return config.final_learning_rate + span * (1 + math.cos(math.pi * min(1.0, fraction))) / 2


@dataclass(frozen=True)
class Reached:
    """``steps`` done, the best loss of a validation and how many validations ago that was."""

    steps: int = 0
    best_loss: float = math.inf
    since_best: int = 0

    def validated(self, loss: float) -> "Reached":
        if loss < self.best_loss:
            return replace(self, best_loss=loss, since_best=0)
        return replace(self, since_best=self.since_best + 1)

    def exhausted(self, patience: int | None) -> bool:
        return patience is not None and self.since_best >= patience
