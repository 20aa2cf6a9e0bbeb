"""The training loop: any task, any stream of batches, one process or several."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from midframe.core.errors import RecipeError
from midframe.core.task import Batch, TrainTask
from midframe.training.average import Average
from midframe.training.checkpoint import load_checkpoint, newest_checkpoint, save_checkpoint, write_whole


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """How long and how fast.

    Attributes:
        steps: Optimiser steps of the whole run.
        learning_rate: Peak, after the warm-up.
        final_learning_rate: Where the cosine ends.
        warm_up: Steps of linear growth to the peak.
        weight_decay: Of AdamW.
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


def train(
    task: TrainTask,
    batches: Callable[[int], Iterable[Batch]],
    settings: LoopSettings,
    out: Path,
    *,
    validation: Sequence[Batch] = (),
    resume: bool = False,
    until: int | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> None:
    """Train a task and leave checkpoints, logs and averaged weights in a folder.

    Args:
        task: Networks, losses and prediction.
        batches: Given the step to start at, an endless stream of batches.
        settings: Schedule and optimiser.
        out: Folder for `checkpoints/`, `best.pt`, `log.jsonl` and TensorBoard files.
        validation: Batches with a `target`; their mean PSNR decides which weights are `best.pt`.
        resume: Continue from the newest checkpoint in `out`, if there is one.
        until: Stop (with a checkpoint) before this step; by default at `settings.steps`.
        report: Called with a line of progress now and then.
    """
    accelerator = Accelerator()
    device = accelerator.device
    state = _State(task, settings, device)
    out.mkdir(parents=True, exist_ok=True)
    newest = newest_checkpoint(out / "checkpoints") if resume else None
    if newest is not None:
        state.load(load_checkpoint(newest))
        report(f"resumed from {newest} at step {state.step}")
    prepared = {name: accelerator.prepare(network) for name, network in task.networks.items()}
    log = _Log(out, enabled=accelerator.is_main_process)
    last = settings.steps if until is None else min(until, settings.steps)
    saved = time.monotonic()
    since, samples = time.monotonic(), 0
    for batch in batches(state.step):
        if state.step >= last:
            break
        batch = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
        logs = _optimise(accelerator, task, prepared, state, batch)
        samples += len(next(iter(batch.values()))) * accelerator.num_processes
        if state.step % 100 == 0:
            pace = samples / (time.monotonic() - since)
            since, samples = time.monotonic(), 0
            values = {**logs(), "samples_per_second": pace, "learning_rate": settings.rate_at(state.step)}
            log.write(state.step, values)
            report(f"step {state.step}: " + "  ".join(f"{name} {value:.4g}" for name, value in values.items()))
        finished = state.step >= last
        if validation and (state.step % settings.validate_every == 0 or finished):
            scores = validate(task, state.averages, validation, device)
            log.write(state.step, scores)
            report(f"step {state.step}: " + "  ".join(f"{name} {value:.3f}" for name, value in scores.items()))
            if scores["validation_psnr"] > state.best:
                state.best = scores["validation_psnr"]
                if accelerator.is_main_process:
                    write_whole(out / "best.pt", state.weights(task))
        due = time.monotonic() - saved > 60 * settings.checkpoint_minutes
        if (due or finished) and accelerator.is_main_process:
            save_checkpoint(out / "checkpoints", state.step, state.dump(task))
            saved = time.monotonic()
    log.close()


@torch.no_grad()
def validate(
    task: TrainTask, averages: Mapping[str, Average], batches: Sequence[Batch], device: torch.device
) -> dict[str, float]:
    """Mean PSNR of the averaged weights, over all samples and by how far inputs differ.

    Returns:
        `validation_psnr`, and `validation_psnr_small`, `_medium`, `_large`: thirds by blending error.
    """
    scores, difficulty = [], []
    networks = task.networks
    held = [average.applied(networks[name]) for name, average in averages.items()]
    for context in held:
        context.__enter__()
    try:
        for batch in batches:
            batch = {name: value.to(device) for name, value in batch.items()}
            target = batch["target"].float() / 255
            made = (task.predict(batch) * 255).round() / 255
            blend = (batch["before"].float() + batch["after"].float()) / 510
            scores.append(-10 * math.log10(max(float((made - target).square().mean()), 1e-10)))
            difficulty.append(float((blend - target).abs().mean()))
    finally:
        for context in held:
            context.__exit__(None, None, None)
    order = sorted(range(len(scores)), key=difficulty.__getitem__)
    result = {"validation_psnr": sum(scores) / len(scores)}
    third = math.ceil(len(order) / 3)
    for name, part in zip(("small", "medium", "large"), (order[:third], order[third : 2 * third], order[2 * third :])):
        if part:
            result[f"validation_psnr_{name}"] = sum(scores[index] for index in part) / len(part)
    return result


class _State:
    """All that a checkpoint holds."""

    def __init__(self, task: TrainTask, settings: LoopSettings, device: torch.device) -> None:
        self.settings, self.step, self.best = settings, 0, -math.inf
        self.networks = dict(task.networks)
        for network in self.networks.values():
            network.to(device)
        self.optimisers = {
            name: torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
            for name, network in self.networks.items()
        }
        self.averages = {name: Average(network, settings.average_decay) for name, network in self.networks.items()}

    def dump(self, task: TrainTask) -> dict[str, Any]:
        return {
            "step": self.step,
            "best": self.best,
            "description": dict(task.description()),
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "averages": {name: average.state_dict() for name, average in self.averages.items()},
            "random": torch.get_rng_state(),
        }

    def weights(self, task: TrainTask) -> dict[str, Any]:
        """The averaged weights alone."""
        return {
            "step": self.step,
            "description": dict(task.description()),
            "weights": {name: dict(average.state) for name, average in self.averages.items()},
            "validation_psnr": self.best,
        }

    def load(self, state: dict[str, Any]) -> None:
        self.step, self.best = state["step"], state["best"]
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
            self.optimisers[name].load_state_dict(state["optimisers"][name])
            self.averages[name].load_state_dict(state["averages"][name])
        torch.set_rng_state(state["random"])


def _optimise(
    accelerator: Accelerator, task: TrainTask, prepared: Mapping[str, nn.Module], state: _State, batch: Batch
) -> Callable[[], dict[str, float]]:
    """One optimiser step; returns a function that reads the logs (reading waits for a GPU)."""
    settings = state.settings
    with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=settings.precision == "bf16"):
        losses = task.losses(batch, state.step)
    recorded: dict[str, Tensor] = {}
    for name, terms in losses.items():
        optimiser = state.optimisers[name]
        for group in optimiser.param_groups:
            group["lr"] = settings.rate_at(state.step)
        accelerator.backward(terms.total)
        norm = torch.nn.utils.clip_grad_norm_(prepared[name].parameters(), settings.clip)
        # A batch with a non-finite gradient is skipped: one bad sample must not end a run of hours.
        if torch.isfinite(norm):
            optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        state.averages[name].update(state.networks[name])
        recorded |= {f"{name}/{term}": value.detach() for term, value in terms.terms.items()}
        recorded |= {f"{name}/{term}": value.detach() for term, value in terms.logs.items()}
        recorded[f"{name}/gradient"] = norm.detach()
    state.step += 1
    return lambda: {name: float(value) for name, value in recorded.items()}


class _Log:
    """The same numbers as lines of JSON and, where TensorBoard is installed, as curves."""

    def __init__(self, out: Path, *, enabled: bool) -> None:
        self.file = (out / "log.jsonl").open("a") if enabled else None
        self.board = None
        if enabled:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                return
            self.board = SummaryWriter(str(out / "tensorboard"))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        if self.file is None:
            return
        self.file.write(json.dumps({"step": step, "clock": round(time.time(), 1), **values}) + "\n")
        self.file.flush()
        if self.board is not None:
            for name, value in values.items():
                self.board.add_scalar(name, value, step)

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
        if self.board is not None:
            self.board.close()
