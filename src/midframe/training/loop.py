"""The training loop: any task, any stream of batches, one process or several."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from midframe.core.duration import clock
from midframe.core.errors import RecipeError
from midframe.core.task import Batch, Inspection, Schedule, TrainTask
from midframe.metrics.difference import capped_psnr
from midframe.training.average import Average
from midframe.training.checkpoint import load_checkpoint, newest_checkpoint, save_checkpoint, write_whole
from midframe.training.strip import grow_strip

SECONDS_BETWEEN_LINES = 60.0
"""At most, between two lines of progress of a slow method; a fast one reports every hundred steps."""


def train(
    task: TrainTask,
    batches: Callable[[int], Iterable[Batch]],
    schedule: Schedule,
    out: Path,
    *,
    validation: Sequence[Batch] = (),
    inspect: Callable[[Sequence[Tensor]], Inspection] | None = None,
    resume: bool = False,
    until: int | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> Mapping[str, Mapping[str, Tensor]]:
    """Train a task and leave checkpoints, logs and averaged weights in a folder.

    Args:
        task: Networks, losses and prediction.
        batches: Given the step to start at, an endless stream of batches.
        schedule: Schedule and optimiser.
        out: Folder for `checkpoints/`, `best.pt`, `log.jsonl` and TensorBoard files.
        validation: Batches with a `target`; their mean PSNR decides which weights are `best.pt`.
        inspect: Called at each validation with what the averaged weights made of each batch; what it shows goes into
            `samples.png`, a row for each validation below the truth.
        resume: Continue from the newest checkpoint in `out`, if there is one.
        until: Stop (with a checkpoint) before this step; by default at `schedule.steps`.
        report: Called with a line of progress now and then.

    Raises:
        RecipeError: The checkpoint to resume from is of another network.

    Returns:
        The averaged weights of each network, as they are at the end.
    """
    # Without `cpu=True` accelerate ignores torchrun on a machine that has no GPU, and every process trains alone.
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    device = accelerator.device
    state = TrainingState(task, schedule, device)
    out.mkdir(parents=True, exist_ok=True)
    newest = newest_checkpoint(out / "checkpoints") if resume else None
    if newest is not None:
        state.load(load_checkpoint(newest), task)
        report(f"resumed from {newest} at step {state.step}")
    last = schedule.steps if until is None else min(until, schedule.steps)
    with closing(_Log(out, enabled=accelerator.is_main_process)) as log:
        saved = time.monotonic()
        since, samples, steps = time.monotonic(), 0, 0
        for batch in batches(state.step):
            if state.step >= last:
                break
            batch = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
            logs = optimise(accelerator, task, state, batch)
            samples += len(next(iter(batch.values()))) * accelerator.num_processes
            steps += 1
            passed = time.monotonic() - since
            if state.step % 100 == 0 or passed > SECONDS_BETWEEN_LINES:
                left = (last - state.step) * passed / steps
                values = {
                    **logs(),
                    "samples_per_second": samples / passed,
                    "learning_rate": schedule.rate_at(state.step),
                }
                log.write(state.step, values)
                line = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
                report(f"step {state.step} of {last}: {line}  {clock(left)} left")
                since, samples, steps = time.monotonic(), 0, 0
            finished = state.step >= last
            validating = state.step % schedule.validate_every == 0 or finished
            if validation and validating and accelerator.is_main_process:
                made: list[Tensor] | None = None if inspect is None else []
                scores = validate(task, state.averages, validation, device, made)
                if inspect is not None and made is not None:
                    shown = inspect(made)
                    scores |= shown.scores
                    grow_strip(out / "samples.png", shown.truth, shown.made)
                log.write(state.step, scores)
                report(f"step {state.step}: " + "  ".join(f"{name} {value:.3f}" for name, value in scores.items()))
                if scores["validation_psnr"] > state.best:
                    state.best = scores["validation_psnr"]
                    write_whole(out / "best.pt", state.weights(task))
                since, samples, steps = time.monotonic(), 0, 0
            due = time.monotonic() - saved > 60 * schedule.checkpoint_minutes
            if (due or finished) and accelerator.is_main_process:
                save_checkpoint(out / "checkpoints", state.step, state.dump(task))
                saved = time.monotonic()
    return {name: dict(average.state) for name, average in state.averages.items()}


@contextmanager
def averaged(task: TrainTask, averages: Mapping[str, Average]) -> Iterator[None]:
    """The task's networks carry their averaged weights inside the block."""
    networks = task.networks
    with ExitStack() as applied:
        for name, average in averages.items():
            applied.enter_context(average.applied(networks[name]))
        yield


@torch.no_grad()
def validate(
    task: TrainTask,
    averages: Mapping[str, Average],
    batches: Sequence[Batch],
    device: torch.device,
    kept: list[Tensor] | None = None,
) -> dict[str, float]:
    """Mean PSNR of the averaged weights, over all samples and by how far inputs differ.

    Args:
        kept: Takes what was made of each batch, rounded to 8 bits, where somebody wants to look at it.

    Returns:
        `validation_psnr`, and `validation_psnr_small`, `_medium`, `_large`: thirds by blending error.
    """
    scores, difficulty = [], []
    with averaged(task, averages):
        for batch in batches:
            batch = {name: value.to(device) for name, value in batch.items()}
            target = batch["target"].float() / 255
            made = (task.predict(batch) * 255).round() / 255
            if kept is not None:
                kept.append(made)
            blend = (batch["before"].float() + batch["after"].float()) / 510
            scores.append(capped_psnr((made - target).square()))
            difficulty.append(float((blend - target).abs().mean()))
    order = sorted(range(len(scores)), key=difficulty.__getitem__)
    result = {"validation_psnr": sum(scores) / len(scores)}
    third = math.ceil(len(order) / 3)
    parts = {"small": order[:third], "medium": order[third : 2 * third], "large": order[2 * third :]}
    for name, part in parts.items():
        if part:
            result[f"validation_psnr_{name}"] = sum(scores[index] for index in part) / len(part)
    return result


class TrainingState:
    """All that a checkpoint holds."""

    def __init__(self, task: TrainTask, schedule: Schedule, device: torch.device) -> None:
        self.schedule, self.step, self.best = schedule, 0, -math.inf
        self.networks = dict(task.networks)
        for network in self.networks.values():
            network.to(device)
        self.optimisers = {
            name: torch.optim.AdamW(
                network.parameters(),
                lr=schedule.learning_rate,
                betas=schedule.betas,
                weight_decay=schedule.weight_decay,
            )
            for name, network in self.networks.items()
        }
        self.averages = {name: Average(network, schedule.average_decay) for name, network in self.networks.items()}

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

    def load(self, state: dict[str, Any], task: TrainTask) -> None:
        if state["description"] != dict(task.description()):
            raise RecipeError(
                f"the checkpoint is of {state['description']}, the recipe describes {dict(task.description())}: "
                "resume with the recipe of the run, or choose another folder."
            )
        self.step, self.best = state["step"], state["best"]
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
            self.optimisers[name].load_state_dict(state["optimisers"][name])
            self.averages[name].load_state_dict(state["averages"][name])
        torch.set_rng_state(state["random"])


def optimise(
    accelerator: Accelerator, task: TrainTask, state: TrainingState, batch: Batch
) -> Callable[[], dict[str, float]]:
    """One optimiser step; returns a function that reads the logs (reading waits for a GPU)."""
    schedule = state.schedule
    with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=schedule.precision == "bf16"):
        losses = task.losses(batch, state.step)
    recorded: dict[str, Tensor] = {}
    for name, terms in losses.items():
        optimiser = state.optimisers[name]
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate_at(state.step) * terms.rate
        accelerator.backward(terms.total)
        _average_gradients(accelerator, state.networks[name])
        norm = torch.nn.utils.clip_grad_norm_(state.networks[name].parameters(), schedule.clip)
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


def _average_gradients(accelerator: Accelerator, network: nn.Module) -> None:
    """Every process saw another batch; all of them step along the mean of their gradients.

    One message for the whole network: a task may call its networks in any way it likes, which a wrapper around
    each forward pass would not allow.
    """
    if accelerator.num_processes == 1:
        return
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters])
    mean = cast(Tensor, accelerator.reduce(flat, reduction="mean"))
    for parameter, part in zip(parameters, mean.split([p.numel() for p in parameters]), strict=True):
        parameter.grad = part.view_as(parameter)


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
