"""A recipe that fits the time at hand: the machine is measured first."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from midframe.core.duration import clock
from midframe.core.errors import UsageError
from midframe.core.task import Schedule
from midframe.data.segments import SegmentRecipe
from midframe.methods.mivid.config import FRAMES, MividConfig
from midframe.methods.mivid.train import MASKS, PURE_NOISE, MividRecipe, MividTask
from midframe.methods.mivid.weights_file import load_network

WIDE = MividConfig(patch=2, conditioning="window", dropout=0.0, sampling_steps=1)
MEDIUM = replace(WIDE, base_width=24)
NARROW = replace(WIDE, base_width=16, attention=(False, True, True))
NARROWEST = replace(NARROW, base_width=8, heads=(1, 2, 4))
CANDIDATES = (WIDE, MEDIUM, NARROW, NARROWEST)
"""Widest first. The second is that of the shipped weights."""
ENOUGH_STEPS = 3000
"""Fewer steps of the smallest batch teach a narrower network more."""
PLENTY_OF_STEPS = 25_000
"""More steps than these are better spent on larger batches."""
BATCHES = (4, 8, 16)
TIMED_STEPS = 2
RESERVE = 0.85
"""Share of the time that is planned for steps; validation, checkpoints and a busy machine take the rest."""
VALIDATIONS = 40


@dataclass(frozen=True)
class Pace:
    """What one candidate costs on this machine.

    Attributes:
        config: The network.
        seconds: For one clip of a training step, at the smallest batch.
    """

    config: MividConfig
    seconds: float


def plan(
    hours: float,
    device: torch.device,
    report: Callable[[str], None] = lambda line: None,
    begun: Path | None = None,
) -> dict[str, Any]:
    """As `plan_recipe`, as plain values."""
    return asdict(plan_recipe(hours, device, report, begun))


def plan_recipe(
    hours: float,
    device: torch.device,
    report: Callable[[str], None] = lambda line: None,
    begun: Path | None = None,
) -> MividRecipe:
    """Measure a few steps of each network, widest first, and choose the first that gets enough of them.

    Args:
        hours: For the training.
        device: Where it will run.
        report: Called with what was measured, and with the plan.
        begun: Weights to begin with: their network is the only choice.

    Raises:
        UsageError: No network gets even a hundred steps.
        WeightsError: The weights to begin with are missing or damaged.
    """
    paces: list[Pace] = []
    for config in CANDIDATES if begun is None else (load_network(begun).config,):
        pace = Pace(config, _seconds_for_a_clip(config, device))
        paces.append(pace)
        report(f"{config.base_width} channels: {1 / pace.seconds:.2f} clips a second here")
        if _steps(pace, hours, BATCHES[0]) >= ENOUGH_STEPS:
            break
    recipe = choose(paces, hours)
    spent = recipe.schedule.steps * recipe.segments.batch * paces[-1].seconds
    report(
        f"plan: {recipe.mivid.base_width} channels, {recipe.schedule.steps} steps of {recipe.segments.batch} clips, "
        f"about {clock(spent)} of the {clock(3600 * hours)} for steps"
    )
    return recipe


def choose(paces: list[Pace], hours: float) -> MividRecipe:
    """The recipe for the last network measured, with the largest batch that leaves plenty of steps.

    Args:
        paces: In the order of `CANDIDATES`, of which all but the last were too slow; or that of weights to begin
            with.
        hours: For the training.

    Raises:
        UsageError: As `plan_recipe`.
    """
    pace = paces[-1]
    batch = max((size for size in BATCHES if _steps(pace, hours, size) >= PLENTY_OF_STEPS), default=BATCHES[0])
    steps = min(_steps(pace, hours, batch), 4 * PLENTY_OF_STEPS)
    if steps < 100:
        least = 100 * batch * pace.seconds / RESERVE / 3600
        raise UsageError(
            f"{hours:g} hours are enough here for {steps} training steps of a network of {pace.config.base_width} "
            f"channels, which teach it nothing; {least:.1g} hours are the least."
        )
    schedule = Schedule(
        steps=steps,
        learning_rate=5e-4,
        final_learning_rate=5e-6,
        warm_up=min(500, steps // 10),
        precision="fp32",
        average_decay=0.999 if steps >= 5000 else 0.99,
        validate_every=max(steps // VALIDATIONS, 1),
        checkpoint_minutes=5.0,
    )
    segments = SegmentRecipe(size=pace.config.size, batch=batch)
    return MividRecipe(
        mivid=pace.config,
        masks=MASKS,
        pure_noise=PURE_NOISE,
        schedule=schedule,
        segments=segments,
        validation_steps=2,
    )


def _steps(pace: Pace, hours: float, batch: int) -> int:
    return int(RESERVE * 3600 * hours / (pace.seconds * batch))


def _seconds_for_a_clip(config: MividConfig, device: torch.device) -> float:
    """The slowest of a few steps, after one that warms up."""
    segments = SegmentRecipe(size=config.size, batch=BATCHES[0])
    schedule = Schedule(steps=2, warm_up=1)
    task = MividTask(
        MividRecipe(mivid=config, masks=MASKS, pure_noise=PURE_NOISE, segments=segments, schedule=schedule)
    )
    task.network.to(device)
    frames = torch.randint(256, (BATCHES[0], FRAMES, 3, config.size, config.size), dtype=torch.uint8, device=device)
    taken = []
    for _ in range(1 + TIMED_STEPS):
        started = time.perf_counter()
        # In the middle of the training all terms count.
        task.losses({"frames": frames}, 1)["mivid"].total.backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - started)
    return max(taken[1:]) / BATCHES[0]
