"""What the training loop asks of a method: its networks, its losses, and a prediction to validate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from midframe.core.errors import RecipeError
from midframe.core.motion import MotionSource

Batch = Mapping[str, Tensor]
"""Tensors by name, first axis the batch. What names there are is agreed by data set and task."""


@dataclass(frozen=True)
class LossTerms:
    """One optimiser's objective.

    Attributes:
        terms: Weighted scalar terms by name; their sum is minimised.
        logs: Further detached scalars worth a curve.
        rate: Factor of the schedule's learning rate.
    """

    terms: Mapping[str, Tensor]
    logs: Mapping[str, Tensor] = field(default_factory=dict)
    rate: float = 1.0

    @property
    def total(self) -> Tensor:
        return sum(self.terms.values(), start=next(iter(self.terms.values())) * 0)


@runtime_checkable
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


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast.

    Attributes:
        steps: Optimiser steps of the whole run.
        learning_rate: Peak, after the warm-up.
        final_learning_rate: Where the cosine ends.
        warm_up: Steps of linear growth to the peak.
        weight_decay: Of AdamW.
        betas: Of AdamW: decay of its running mean of gradients, and of their squares.
        clip: Largest gradient norm.
        average_decay: Limit of the weight average's decay.
        precision: "bf16" or "fp32", of the convolutions.
        validate_every: Steps.
        checkpoint_minutes: Time between checkpoints.
    """

    steps: int
    learning_rate: float = 8e-4
    final_learning_rate: float = 1e-5
    warm_up: int = 300
    weight_decay: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    clip: float = 1.0
    average_decay: float = 0.999
    precision: str = "bf16"
    validate_every: int = 1000
    checkpoint_minutes: float = 10.0

    def __post_init__(self) -> None:
        if self.precision not in ("bf16", "fp32"):
            raise RecipeError(f"precision is 'bf16' or 'fp32'; got '{self.precision}'.")
        if self.warm_up >= self.steps:
            raise RecipeError(f"warm_up ({self.warm_up}) must end before steps ({self.steps}).")

    def rate_at(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then half a cosine."""
        if step < self.warm_up:
            return self.learning_rate * (step + 1) / self.warm_up
        progress = (step - self.warm_up) / (self.steps - self.warm_up)
        low = self.final_learning_rate
        return low + (self.learning_rate - low) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """What a method's trainer is told.

    Attributes:
        recipe: TOML file with the numbers of the experiment.
        bank: Folder of decoded clips.
        seed: Of everything random.
        device: Where this process trains; clips and batches lie there too.
        workers: Processes that prepare batches, for each training process on a CPU.
        process: Number of this training process, from 0.
        processes: Training processes that step together; each takes an equal share of every batch.
        init: File of weights to begin with; random ones without it.
        features: File of a network that a perceptual objective looks through.
        builds_on: File of weights of an earlier stage of the method, which this one uses and leaves as it is.
        motion: Another method's motion, for a method that can be told of it.
    """

    recipe: Path
    bank: Path
    seed: int
    device: torch.device
    workers: int
    process: int = 0
    processes: int = 1
    init: Path | None = None
    features: Path | None = None
    builds_on: Path | None = None
    motion: MotionSource | None = None


@dataclass(frozen=True, eq=False)
class Inspection:
    """What a task shows of what its averaged weights made at a validation.

    Attributes:
        scores: Further numbers worth a curve.
        truth: Frames as filmed, side by side: (3, height, width), in [0, 1].
        made: The same frames as the task makes them.
    """

    scores: Mapping[str, float]
    truth: Tensor
    made: Tensor


@dataclass(frozen=True, kw_only=True)
class TrainingSetup:
    """A recipe, made ready: what the loop needs, and how the result becomes a file of weights.

    Attributes:
        task: Networks and losses.
        schedule: How long and how fast.
        batches: Given the step to start at, an endless stream of batches.
        validation: Batches with a `target`.
        resolved: The recipe with all defaults filled in, as plain values.
        export: Writes averaged weights, by network name, as the file that `--weights` reads.
        inspect: Called at each validation with what the averaged weights made of each batch of `validation`.
    """

    task: TrainTask
    schedule: Schedule
    batches: Callable[[int], Iterable[Batch]]
    validation: Sequence[Batch]
    resolved: Mapping[str, Any]
    export: Callable[[Mapping[str, Mapping[str, Tensor]], Path], None]
    inspect: Callable[[Sequence[Tensor]], Inspection] | None = None


@dataclass(frozen=True, kw_only=True)
class AdaptOptions:
    """What a method's adapter is told.

    Attributes:
        bank: Folder with the decoded video; the adapter takes it apart into what is trained on and what is kept.
        weights: File of weights to begin with.
        seed: Of everything random.
        device: Where it trains.
    """

    bank: Path
    weights: Path
    seed: int
    device: torch.device


@dataclass(frozen=True, kw_only=True)
class Adaptation:
    """A method made ready to be fine-tuned on one video.

    Attributes:
        task: With the weights to begin with.
        batches: An endless stream of training batches.
        held: Validation batches of frames that no training batch shows.
        learning_rate: Of the optimiser, after a short warm-up.
        export: As in `TrainingSetup`.
    """

    task: TrainTask
    batches: Iterable[Batch]
    held: Sequence[Batch]
    learning_rate: float
    export: Callable[[Mapping[str, Mapping[str, Tensor]], Path], None]


@dataclass(frozen=True, kw_only=True)
class AdaptResult:
    """What came of it.

    Attributes:
        path: The written file.
        adapted: Whether it holds the adapted weights, or the given ones.
        given_psnr: Of the given weights on the frames that judge, in decibels.
        adapted_psnr: Of the adapted ones.
        judged: Number of samples that judge: no step was trained on them, and none was chosen by them.
        steps: Optimiser steps behind the adapted weights.
        stopped_early: The frames that choose had stopped gaining.
    """

    path: Path
    adapted: bool
    given_psnr: float
    adapted_psnr: float
    judged: int
    steps: int
    stopped_early: bool

    def __str__(self) -> str:
        gain = self.adapted_psnr - self.given_psnr
        kept = "kept the adapted weights" if self.adapted else "kept the given weights"
        return (
            f"{kept}: after {self.steps} steps {self.adapted_psnr:.2f} dB where the given ones have "
            f"{self.given_psnr:.2f} dB ({gain:+.2f} dB) on {self.judged} samples kept apart"
        )
