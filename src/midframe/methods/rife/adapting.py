"""RIFE, made ready to be fine-tuned on one video."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from midframe.core.errors import UsageError
from midframe.core.task import Adaptation, AdaptOptions, Schedule
from midframe.data.bank import load_frames, open_bank
from midframe.data.holdout import held_triplets, hold_out_frames
from midframe.data.samples import SampleRecipe, SampleStream
from midframe.data.stages import Stage
from midframe.methods.rife.layouts import IFNetConfig, MatchingConfig
from midframe.methods.rife.train import RifeRecipe, RifeTask
from midframe.methods.rife.weights_file import load_network, save_network, without_teacher

LEARNING_RATE = 5e-5
CROP, SMALLEST_CROP, CROP_MULTIPLE = 192, 64, 32
BATCH = 8
HELD, HELD_SIDE = 32, 384


def prepare_adaptation(options: AdaptOptions) -> Adaptation:
    """Split the bank, load the weights, and draw triplets of one and two frames' distance.

    Raises:
        UsageError: The video is too short or too small.
        WeightsError: The weights are missing or do not fit.
    """
    network = load_network(options.weights)
    layout = without_teacher(network.config)
    held = hold_out_frames(options.bank)
    size = min(CROP, _short_side(options.bank) // CROP_MULTIPLE * CROP_MULTIPLE)
    if size < SMALLEST_CROP:
        raise UsageError(f"The video is too small to adapt to: it needs sides of at least {SMALLEST_CROP} pixels.")
    samples = SampleRecipe(
        size=size, batch=BATCH, strides=(0.5, 0.5), scales=(1.0,), any_time=0.0, synthetic=0.0, motion_focus=0.75
    )
    torch.manual_seed(options.seed)
    steps = 2  # The recipe's schedule is not run: how long depends on the frames kept apart.
    recipe = RifeRecipe(
        schedule=Schedule(steps=steps, warm_up=1),
        stages=(Stage(until=steps, samples=samples),),
        matching=layout if isinstance(layout, MatchingConfig) else None,
        ifnet=layout if isinstance(layout, IFNetConfig) else None,
        paper=None if isinstance(layout, (MatchingConfig, IFNetConfig)) else layout,
    )
    task = RifeTask(recipe)
    task.network.load_state_dict(network.state_dict())

    def export(weights: Mapping[str, Mapping[str, Tensor]], path: Path) -> None:
        save_network(layout, weights["rife"], path, torch.float16)

    return Adaptation(
        task=task,
        batches=SampleStream(options.bank, samples, options.seed, device=options.device),
        held=held_triplets(options.bank, held, count=HELD, size=HELD_SIDE),
        learning_rate=LEARNING_RATE,
        export=export,
    )


def _short_side(bank: Path) -> int:
    frames = load_frames(bank, open_bank(bank), torch.device("cpu"))
    return min(min(video.shape[1:3]) for video in frames.values())
