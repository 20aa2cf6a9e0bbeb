"""Fine-tune weights on one video, and keep them only where they measure better."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from midframe.core.duration import clock
from midframe.core.errors import UsageError, WriteError
from midframe.core.task import Adaptation, AdaptOptions, AdaptResult, Batch, Schedule
from midframe.data.holdout import decode_video
from midframe.engine.hardware import resolve_precision
from midframe.training import run

MOST_FRAMES = 240
"""Of the video, in evenly spaced parts."""
ROUNDS = 10
"""Times that the frames kept apart are looked at while training."""
PATIENCE = 3
"""Rounds without a gain that end it."""
LEAST_GAIN = 0.05
"""Decibels on the judging frames below which adapted weights are not kept: a dozen samples do not tell less apart."""
FEWEST_STEPS = 4
"""Of a round, however slow the machine."""
WARM_UP = 20
AVERAGE_DECAY = 0.98
"""Short: a run of minutes has few steps."""

State = Mapping[str, Mapping[str, Tensor]]


@dataclass(frozen=True, kw_only=True)
class AdaptRequest:
    """What to adapt to, from which weights, for how long.

    Attributes:
        source: The video.
        target: File of weights to write.
        weights: File of weights to begin with.
        minutes: Most time for training.
        short_side: Pixels of the shorter side that larger frames are reduced to.
        seed: Of everything random.
        overwrite: Replace a target that exists.
    """

    source: Path
    target: Path
    weights: Path
    minutes: float
    short_side: int
    seed: int
    overwrite: bool


def adapt_video(
    request: AdaptRequest,
    prepare: Callable[[AdaptOptions], Adaptation],
    report: Callable[[str], None] = lambda line: None,
) -> AdaptResult:
    """Decode, train, measure, write; see `midframe.api.adapt`, errors as there."""
    if request.target.suffix != ".safetensors":
        raise UsageError(f"Weights are written as .safetensors; got '{request.target.name}'.")
    if request.target.exists() and not request.overwrite:
        raise WriteError(f"{request.target} exists already; choose another name or allow it to be replaced.")
    if request.minutes <= 0:
        raise UsageError(f"minutes must be positive; got {request.minutes:g}.")
    with tempfile.TemporaryDirectory(prefix="midframe-adapt-") as folder:
        bank, device = Path(folder) / "bank", run.device()
        runs = decode_video(request.source, bank, short_side=request.short_side, most_frames=MOST_FRAMES)
        report(f"{sum(one.length for one in runs)} frames in {len(runs)} scenes")
        options = AdaptOptions(bank=bank, weights=request.weights, seed=request.seed, device=device)
        adaptation = prepare(options)
        return _adapt(adaptation, request.target, 60 * request.minutes, device, report)


def _adapt(
    adaptation: Adaptation, target: Path, seconds: float, device: torch.device, report: Callable[[str], None]
) -> AdaptResult:
    from accelerate import Accelerator

    from midframe.training.loop import TrainingState, optimise, validate

    precision = "bf16" if resolve_precision("auto", device) == torch.bfloat16 else "fp32"
    rate = adaptation.learning_rate
    schedule = Schedule(
        steps=1_000_000,
        learning_rate=rate,
        final_learning_rate=rate,
        warm_up=WARM_UP,
        average_decay=AVERAGE_DECAY,
        precision=precision,
    )
    accelerator = Accelerator(cpu=device.type == "cpu")
    task = adaptation.task
    state = TrainingState(task, schedule, device)

    def weights() -> State:
        return {name: _copied(average.state) for name, average in state.averages.items()}

    def score(batches: Sequence[Batch]) -> float:
        return validate(task, state.averages, batches, device)["validation_psnr"]

    choosing, judging = adaptation.held[::2], adaptation.held[1::2]
    given = weights()
    best, best_step, best_weights = score(choosing), 0, given
    given_psnr = score(judging)
    report(f"given weights: {best:.2f} dB on the {len(choosing)} samples that decide when to stop")
    stale, stopped_early = 0, False
    started = time.monotonic()  # what measuring takes is not taken from training
    batches = iter(adaptation.batches)
    while time.monotonic() - started < seconds:
        ends, first = time.monotonic() + seconds / ROUNDS, state.step
        while time.monotonic() < ends or state.step - first < FEWEST_STEPS:
            batch = {name: value.to(device) for name, value in next(batches).items()}
            optimise(accelerator, task, state, batch)
        found = score(choosing)
        left = max(0.0, seconds - (time.monotonic() - started))
        report(f"step {state.step}: {found:.2f} dB  {clock(left)} left")
        if found > best:
            best, best_step, best_weights, stale = found, state.step, weights(), 0
        else:
            stale += 1
        if stale >= PATIENCE:
            stopped_early = True
            report(f"no gain in {PATIENCE} rounds: stopped")
            break
    candidate, steps = (best_weights, best_step) if best_step else (weights(), state.step)
    for name, average in state.averages.items():
        for key, value in candidate[name].items():
            average.state[key].copy_(value)
    adapted_psnr = score(judging)
    # Not better on what chose the step, or hardly better on what judges: the given weights stay.
    adapted = bool(best_step) and adapted_psnr >= given_psnr + LEAST_GAIN
    _export(adaptation, candidate if adapted else given, target)
    return AdaptResult(
        path=target,
        adapted=adapted,
        given_psnr=given_psnr,
        adapted_psnr=adapted_psnr,
        judged=len(judging),
        steps=steps,
        stopped_early=stopped_early,
    )


def _export(adaptation: Adaptation, weights: State, target: Path) -> None:
    """Write the file so that its name exists only when it is whole."""
    partial = target.with_name(f".partial-{target.name}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        adaptation.export(weights, partial)
        partial.replace(target)
    except OSError as error:
        raise WriteError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)


def _copied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in state.items()}
