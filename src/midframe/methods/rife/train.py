"""RIFE as a training task: what a recipe says, and what one batch means."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from midframe.core.errors import RecipeError, WeightsError
from midframe.core.recipe import read_recipe
from midframe.core.task import Batch, LossTerms, Schedule, TrainingSetup, TrainOptions
from midframe.data.samples import validation_samples
from midframe.data.stages import Stage, check_stages, stage_batches
from midframe.methods.rife.layouts import IFNetConfig, MatchingConfig, PaperConfig
from midframe.methods.rife.loss import LossWeights, rife_loss
from midframe.methods.rife.matching import MatchingNetwork
from midframe.methods.rife.matching_loss import MatchingWeights, matching_loss
from midframe.methods.rife.weights_file import (
    Layout,
    Network,
    build_network,
    load_network,
    save_network,
    without_teacher,
)
from midframe.nn.convolutions import Block
from midframe.nn.saved import grown

CONTEXT = 1


@dataclass(frozen=True, kw_only=True)
class RifeRecipe:
    """A RIFE experiment: one of the three layouts, its objective, and the run.

    Attributes:
        matching: The default layout.
        ifnet: A layout of the 4.x line.
        paper: The paper's layout.
        matching_weights: Objective of the default layout.
        published_weights: Objective of the other two.
        schedule: How long and how fast.
        stages: In order; the last one must reach the schedule's end.
        validation_samples: Fixed crops of the scenes set aside.
    """

    schedule: Schedule
    stages: tuple[Stage, ...]
    matching: MatchingConfig | None = None
    ifnet: IFNetConfig | None = None
    paper: PaperConfig | None = None
    matching_weights: MatchingWeights = field(default_factory=MatchingWeights)
    published_weights: LossWeights = field(default_factory=LossWeights)
    validation_samples: int = 48

    def __post_init__(self) -> None:
        if sum(layout is not None for layout in (self.matching, self.ifnet, self.paper)) != 1:
            raise RecipeError("a recipe has exactly one of the tables [matching], [ifnet] and [paper].")
        check_stages(self.stages, self.schedule.steps, CONTEXT)

    @property
    def layout(self) -> Layout:
        """The one that is set."""
        layout = self.matching or self.ifnet or self.paper
        assert layout is not None
        return layout


def prepare(options: TrainOptions) -> TrainingSetup:
    """Read a recipe and make everything ready that the loop needs.

    Raises:
        RecipeError: The recipe has a mistake.
        MediaError: No bank lies where it should.
        WeightsError: The weights to begin with are of another architecture.
    """
    recipe = read_recipe(options.recipe, RifeRecipe)
    torch.manual_seed(options.seed)
    task = RifeTask(recipe)
    if options.init is not None:
        _begin_with(task, options.init)

    def batches(first: int) -> Iterator[Batch]:
        return stage_batches(recipe.stages, options, first)

    def export(weights: Mapping[str, Mapping[str, Tensor]], path: Path) -> None:
        save_network(recipe.layout, weights["rife"], path, torch.float16)

    return TrainingSetup(
        task=task,
        schedule=recipe.schedule,
        batches=batches,
        validation=validation_samples(options.bank, count=recipe.validation_samples),
        resolved=asdict(recipe),
        export=export,
    )


class RifeTask:
    """Train a RIFE network on triplets (`midframe.data.samples`)."""

    def __init__(self, recipe: RifeRecipe) -> None:
        self.recipe = recipe
        self.network = build_network(recipe.layout).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"rife": self.network}

    def losses(self, batch: Batch, step: int) -> Mapping[str, LossTerms]:
        before, target, after = _pictures(batch)
        result = self.network(before, after, batch["time"], target)
        if not isinstance(self.network, MatchingNetwork):
            return {"rife": rife_loss(result, target, self.recipe.published_weights)}
        pair = torch.cat((before, after))
        known = batch.get("flow"), batch.get("flow_weight")
        return {"rife": matching_loss(result, pair, target, self.recipe.matching_weights, *known)}

    def predict(self, batch: Batch) -> Tensor:
        before, _, after = _pictures(batch)
        return self.network(before, after, batch["time"]).output.clamp(0, 1)

    def description(self) -> Mapping[str, Any]:
        layout = self.recipe.layout
        # As JSON would give it back: lists for tuples, so that a checkpoint's description compares equal.
        return {"method": "rife", "layout": type(layout).__name__, "network": json.loads(json.dumps(asdict(layout)))}


def _begin_with(task: RifeTask, path: Path) -> None:
    """Copy weights into the task's network; its teacher, which no file holds, stays random.

    Weights of a smaller network of the same layout begin a larger one (`nn.saved.grown`).
    """
    network, wanted = load_network(path), without_teacher(task.recipe.layout)
    state = dict(network.state_dict())
    if network.config != wanted:
        larger = _larger(network, wanted) if type(network.config) is type(wanted) else None
        if larger is None:
            raise WeightsError(f"{path} is of {network.config}; the recipe describes {wanted}.")
        state = larger
    task.network.load_state_dict(state, strict=False)


def _larger(network: Network, wanted: Layout) -> dict[str, Tensor] | None:
    larger = build_network(wanted)
    widened, lengthened, hidden = (), (), ()
    if isinstance(network, MatchingNetwork) and isinstance(larger, MatchingNetwork):
        # The fine block joins its correlation last, and gives the share of detail last: at first, one half.
        widened = ("fine.enter.weight",) if network.config.fine_radius is None else ()
        lengthened = () if network.config.sharpen else ("fine.leave.weight", "fine.leave.bias")
        blocks = ((name, getattr(network, name), getattr(larger, name)) for name in ("coarse", "middle", "fine"))
        hidden = tuple(f"{name}." for name, one, other in blocks if _exchangeable(one, other))
    return grown(network.state_dict(), larger.state_dict(), widened, lengthened, hidden)


def _exchangeable(one: Block, other: Block) -> bool:
    """Whether both take and give the same channels."""
    return (one.enter.in_channels, one.leave.out_channels) == (other.enter.in_channels, other.leave.out_channels)


def _pictures(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Bytes from the loader to RGB in [0, 1], on whatever device they lie."""
    before, target, after = (batch[name].float() / 255 for name in ("before", "target", "after"))
    return before, target, after
