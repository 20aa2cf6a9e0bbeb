"""The backward model of a user's own Stable Video Diffusion, trained by Algorithm 1 on clips."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from midframe.core.errors import RecipeError, WeightsError
from midframe.core.recipe import read_recipe
from midframe.core.task import Batch, Schedule, TrainingSetup, TrainOptions
from midframe.data.clip_windows import ClipRecipe, clip_batches, split_clips
from midframe.data.sharing import share_of_batch
from midframe.methods.inbetween.algorithm import BackwardTask
from midframe.methods.inbetween.backbone import (
    REPOSITORY_14,
    checkpoint_gradients,
    find_folder,
    load_video_model,
)
from midframe.methods.inbetween.config import BackwardConfig
from midframe.methods.inbetween.memory import check_step
from midframe.methods.inbetween.weights_file import load_backward, save_backward


@dataclass(frozen=True, kw_only=True)
class InbetweenRecipe:
    """Algorithm 1 at full size.

    Attributes:
        schedule: How long and how fast.
        backward: What is trained; `frames` is that of the clips.
        clips: How they are drawn.
        noise_mean: Of ln(sigma).
        noise_spread: Its standard deviation.
        checkpointing: Compute features again for gradients instead of keeping them.
        validation_clips: Fixed clips of the scenes set aside; 0 for none, which trains on all.
    """

    schedule: Schedule
    backward: BackwardConfig = field(default_factory=BackwardConfig)
    clips: ClipRecipe = field(default_factory=ClipRecipe)
    noise_mean: float = 0.7
    noise_spread: float = 1.6
    checkpointing: bool = True
    validation_clips: int = 0

    def __post_init__(self) -> None:
        if self.backward.frames != self.clips.frames:
            raise RecipeError(
                f"backward.frames ({self.backward.frames}) is the length of the clips ({self.clips.frames})."
            )


def prepare(options: TrainOptions) -> TrainingSetup:
    """Load Stable Video Diffusion for 14 frames, and make everything ready that the loop needs.

    Raises:
        MissingExtraError: The extra `svd` is not installed.
        RecipeError: The recipe has a mistake, or the bank no clip that is long enough.
        WeightsError: The model to train for is missing; says what to download, and its licence.
        UsageError: The device has too little memory for a step.
    """
    recipe = read_recipe(options.recipe, InbetweenRecipe)
    folder = find_folder(options.builds_on, REPOSITORY_14)
    training, validation = split_clips(options.bank, recipe.clips, recipe.validation_clips)
    precision = torch.bfloat16 if recipe.schedule.precision == "bf16" else torch.float32
    model = load_video_model(folder, device=options.device, precision=precision)
    if model.facts.frames != recipe.backward.frames:
        raise WeightsError(
            f"{folder} is for clips of {model.facts.frames} frames; the recipe trains on {recipe.backward.frames}."
        )
    if recipe.checkpointing:
        checkpoint_gradients(model.network)
    share, size = share_of_batch(recipe.clips.batch, options), (recipe.clips.height, recipe.clips.width)
    check_step(model, recipe.backward, share, size, checkpointing=recipe.checkpointing)
    torch.manual_seed(options.seed)
    start = load_backward(options.init, model) if options.init is not None else None
    task = BackwardTask(
        model,
        recipe.backward,
        noise=(recipe.noise_mean, recipe.noise_spread),
        # Processes that train together see other clips, and other noise.
        seed=options.seed * options.processes + options.process,
        start=start,
    )

    def batches(first: int) -> Iterator[Batch]:
        return clip_batches(recipe.clips, options, training, first)

    def export(weights: Mapping[str, Mapping[str, Tensor]], path: Path) -> None:
        save_backward(task.deltas(weights["backward"]), recipe.backward, path)

    return TrainingSetup(
        task=task,
        schedule=recipe.schedule,
        batches=batches,
        validation=validation,
        resolved=asdict(recipe),
        export=export,
    )
