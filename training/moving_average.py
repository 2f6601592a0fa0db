"""The moving average of a network's weights, which separates better than the weights themselves."""

import copy
from typing import Any

import torch
from torch import Tensor

from training.network import SeparationNetwork


class MovingAverage:
    """``average = decay * average + (1 - decay) * weights`` after each step; norms' statistics are averaged likewise.

    At first the decay is ``(1 + steps) / (10 + steps)``, so that the random beginning is soon forgotten (as in
    TensorFlow's ``ExponentialMovingAverage``).
    """

    def __init__(self, network: SeparationNetwork, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, network: SeparationNetwork, steps: int) -> None:
        """``steps`` taken so far, this one included."""
        decay = min(self._decay, (1 + steps) / (10 + steps))
        latest: dict[str, Tensor] = network.state_dict()
        averages: dict[str, Any] = self.network.state_dict()
        names = [name for name, value in averages.items() if value.is_floating_point()]
        torch._foreach_lerp_([averages[name] for name in names], [latest[name] for name in names], 1 - decay)
