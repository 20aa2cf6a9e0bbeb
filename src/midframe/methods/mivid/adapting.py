"""MiVID, made ready to be fine-tuned on one video."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from midframe.core.task import Adaptation, AdaptOptions, Schedule
from midframe.data.bank import open_bank
from midframe.data.holdout import hold_out_segments
from midframe.data.segments import SegmentRecipe, SegmentStream, centre_segments
from midframe.methods.mivid.train import PURE_NOISE, MividRecipe, MividTask
from midframe.methods.mivid.weights_file import load_network, save_network

LEARNING_RATE = 5e-5
BATCH = 4
HELD = 32


def prepare_adaptation(options: AdaptOptions) -> Adaptation:
    """Split the bank into segments, and load the weights. Whole frames are hidden, as at the end of a training.

    Raises:
        UsageError: The video is too short.
        WeightsError: The weights are missing or do not fit.
    """
    network = load_network(options.weights)
    config = network.config
    held = hold_out_segments(options.bank)
    segments = SegmentRecipe(size=config.size, batch=BATCH)
    torch.manual_seed(options.seed)
    schedule = Schedule(steps=2, warm_up=1)
    recipe = MividRecipe(mivid=config, pure_noise=PURE_NOISE, segments=segments, schedule=schedule)
    task = MividTask(recipe, progress=1.0)
    task.network.load_state_dict(network.state_dict())

    def export(weights: Mapping[str, Mapping[str, Tensor]], path: Path) -> None:
        save_network(config, weights["mivid"], path, torch.float16)

    return Adaptation(
        task=task,
        batches=SegmentStream(options.bank, segments, options.seed, runs=open_bank(options.bank)),
        held=centre_segments(options.bank, held, count=HELD, size=config.size),
        learning_rate=LEARNING_RATE,
        export=export,
    )
