"""A training run in stages, each with samples of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from midframe.core.errors import RecipeError
from midframe.core.task import Batch, TrainOptions
from midframe.data.samples import SampleRecipe, SampleStream, check_crops
from midframe.data.sharing import loader, share_of_batch


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of a run.

    Attributes:
        until: The stage ends before this optimiser step.
        samples: How they are drawn.
    """

    until: int
    samples: SampleRecipe


def check_stages(stages: tuple[Stage, ...], steps: int, context: int) -> None:
    """Refuse stages that do not cover a run, or whose samples are not what the method sees.

    Raises:
        RecipeError: There are none, they do not ascend, or the last ends before the run does; or their samples have
            another number of input frames.
    """
    ends = [stage.until for stage in stages]
    if not ends or ends != sorted(set(ends)) or ends[-1] < steps:
        raise RecipeError(f"stages must end at ascending steps, the last at {steps} or later; got {ends}.")
    if any(stage.samples.context != context for stage in stages):
        raise RecipeError(
            f"the method learns from {2 * context} input frames: every stage's samples need context = {context}."
        )


def stage_batches(stages: tuple[Stage, ...], options: TrainOptions, first: int) -> Iterator[Batch]:
    """Batches of each stage in turn, from a step on.

    Raises:
        RecipeError: A batch that the training processes cannot share equally, or crops larger than any clip.
    """
    check_crops(options.bank, [stage.samples for stage in stages])
    step = first
    for stage in stages:
        if step >= stage.until:
            continue
        share = replace(stage.samples, batch=share_of_batch(stage.samples.batch, options))
        number = step * options.processes + options.process
        stream = SampleStream(options.bank, share, options.seed, number, options.processes, options.device)
        # On a GPU batches are made where the clips lie, in this process.
        workers = options.workers if options.device.type == "cpu" else 0
        for batch in loader(stream, workers):
            yield batch
            step += 1
            if step >= stage.until:
                break
