"""Exponential moving average of a network's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """The running mean of all floating point parameters and buffers.

    The decay grows with the number of updates up to its limit, so that the first average is not the random
    initialisation.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.state = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value, 1 - decay)
            else:
                self.state[name].copy_(value)

    @contextmanager
    def applied(self, network: nn.Module) -> Iterator[None]:
        """The network carries the averaged weights inside the block."""
        own = {name: value.detach().clone() for name, value in network.state_dict().items()}
        network.load_state_dict(self.state)
        try:
            yield
        finally:
            network.load_state_dict(own)

    def state_dict(self) -> dict[str, Tensor | int]:
        return {**self.state, "__updates__": self.updates}

    def load_state_dict(self, state: dict[str, Tensor | int]) -> None:
        self.updates = int(state["__updates__"])
        for name in self.state:
            value = state[name]
            assert isinstance(value, Tensor)
            self.state[name].copy_(value)
