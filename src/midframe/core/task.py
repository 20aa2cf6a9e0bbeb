"""What the training loop asks of a method: its networks, its losses, and a prediction to validate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor, nn

Batch = Mapping[str, Tensor]
"""Tensors by name, first axis the batch. What names there are is agreed by data set and task."""


@dataclass(frozen=True)
class LossTerms:
    """One optimiser's objective.

    Attributes:
        terms: Weighted scalar terms by name; their sum is minimised.
        logs: Further detached scalars worth a curve.
    """

    terms: Mapping[str, Tensor]
    logs: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def total(self) -> Tensor:
        return sum(self.terms.values(), start=next(iter(self.terms.values())) * 0)


class TrainTask(Protocol):
    """A method seen by the training loop: one entry per optimiser."""

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Trainable networks by optimiser name."""
        ...

    def losses(self, batch: Batch, step: int) -> Mapping[str, LossTerms]:
        """Objective of each optimiser on one batch, at the given optimiser step."""
        ...

    def predict(self, batch: Batch) -> Tensor:
        """The validated output for a batch with a `target` entry, in [0, 1]."""
        ...

    def description(self) -> Mapping[str, Any]:
        """Plain values that identify the task (written beside the checkpoint)."""
        ...
