"""The image-to-event network as a training task."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from midframe.core.errors import RecipeError, WeightsError
from midframe.core.recipe import read_recipe
from midframe.core.seeds import draws_of
from midframe.core.task import Batch, Inspection, LossTerms, Schedule, TrainingSetup, TrainOptions
from midframe.data.stages import Stage, check_stages
from midframe.losses.adversarial import PatchDiscriminator, frozen, hinge_losses
from midframe.methods.madiff.config import EVENT_CHANNELS, FLOW_CHANNELS, POLARITIES, HintConfig
from midframe.methods.madiff.event_loss import EventWeights, flow_loss, picture_loss
from midframe.methods.madiff.event_network import EventNetwork, EventUNet, grey_pair, plain_state, settle
from midframe.methods.madiff.event_samples import event_batches, validation_events, volume_picture
from midframe.methods.madiff.events import simulate_events
from midframe.methods.madiff.weights_file import load_events, save_events
from midframe.nn.modes import evaluating

CONTEXT = 1
SHOWN = 3
"""Pairs of the validation, in the strip of samples."""

Pictures = Float[Tensor, "batch 3 height width"]
Grey = Float[Tensor, "batch 1 height width"]
Volume = Float[Tensor, "batch channel height width"]


@dataclass(frozen=True, kw_only=True)
class EventRecipe:
    """An experiment with the image-to-event network.

    Attributes:
        hints: The network; its kind is "events".
        weights: The objective.
        schedule: How long and how fast.
        stages: In order; the last one must reach the schedule's end.
        validation_samples: Fixed crops of the scenes set aside.
        validation_size: Their side.
    """

    schedule: Schedule
    stages: tuple[Stage, ...]
    hints: HintConfig = field(default_factory=lambda: HintConfig(kind="events"))
    weights: EventWeights = field(default_factory=EventWeights)
    validation_samples: int = 32
    validation_size: int = 192

    def __post_init__(self) -> None:
        check_stages(self.stages, self.schedule.steps, CONTEXT)
        if self.hints.kind != "events":
            raise RecipeError(f"a network is trained for hints of kind 'events'; got '{self.hints.kind}'.")


def prepare(options: TrainOptions) -> TrainingSetup:
    """Read a recipe and make everything ready that the loop needs.

    Raises:
        RecipeError: The recipe has a mistake, or the bank too few scenes.
        MediaError: No bank lies where it should.
        WeightsError: The weights to begin with are of another architecture.
    """
    recipe = read_recipe(options.recipe, EventRecipe)
    torch.manual_seed(options.seed)
    # Processes that train together swap other patches.
    task = EventTask(recipe, seed=options.seed * options.processes + options.process)
    if options.init is not None:
        _begin_with(task.events, options.init)
    threshold = recipe.hints.threshold
    validation = validation_events(
        options.bank, count=recipe.validation_samples, size=recipe.validation_size, threshold=threshold
    )

    def batches(first: int) -> Iterator[Batch]:
        return event_batches(recipe.stages, threshold, options, first)

    def export(weights: Mapping[str, Mapping[str, Tensor]], path: Path) -> None:
        plain = plain_state(EventNetwork(recipe.hints, spectral=True), weights["events"])
        save_events(recipe.hints, plain, path, torch.float16)

    return TrainingSetup(
        task=task,
        schedule=recipe.schedule,
        batches=batches,
        validation=validation,
        resolved=asdict(recipe),
        export=export,
        inspect=partial(task.inspect, validation),
    )


class EventTask:
    """Train the network on pairs of frames with their events (`event_samples.py`).

    Args:
        recipe: The experiment.
        seed: Of which patches the critic is given the wrong way round: a function of it and of the step.
    """

    def __init__(self, recipe: EventRecipe, *, seed: int = 0) -> None:
        self.recipe, self.seed = recipe, seed
        hints, weights = recipe.hints, recipe.weights
        self.events = EventNetwork(hints, spectral=True)
        self.critic = PatchDiscriminator(
            EVENT_CHANNELS + 2, width=weights.critic_width, layers=weights.critic_layers, normalise=False
        )
        self.flow = EventUNet(hints, EVENT_CHANNELS, FLOW_CHANNELS, torch.tanh, every_size=True)
        self.picture = EventUNet(hints, POLARITIES + 1, 1, torch.tanh, every_size=True)
        for network in self.networks.values():
            network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        weights = self.recipe.weights
        parts: dict[str, tuple[nn.Module, float]] = {
            "events": (self.events, 1.0),
            "critic": (self.critic, weights.adversarial),
            "flow": (self.flow, weights.flow),
            "picture": (self.picture, weights.picture),
        }
        return {name: network for name, (network, weight) in parts.items() if weight}

    def losses(self, batch: Batch, step: int) -> Mapping[str, LossTerms]:
        before, after = pictures_of(batch)
        volume, greys = batch["volume"].float(), grey_pair(before, after)
        weights = self.recipe.weights
        due = (step + 1) % weights.critic_steps == 0 or not weights.adversarial
        if due:
            made = self.events(before, after)
        else:
            with torch.no_grad():
                made = self.events(before, after)
        losses: dict[str, LossTerms] = {}
        if due:
            losses["events"] = self._network_loss(made, volume, greys)
        if weights.adversarial:
            losses["critic"] = self._critic_loss(made.detach(), volume, greys, step)
        earlier, later = greys.split(1, 1)
        if weights.flow:
            losses["flow"] = LossTerms({"explains": flow_loss(self._flows(volume), earlier, later, volume)})
        if weights.picture:
            losses["picture"] = LossTerms({"differs": picture_loss(self._pictures(volume, earlier), later)})
        return losses

    def _network_loss(self, made: Volume, volume: Volume, greys: Float[Tensor, "batch 2 height width"]) -> LossTerms:
        weights = self.recipe.weights
        earlier, later = greys.split(1, 1)
        squared = (made - volume).square().mean()
        terms = {"volume": weights.volume * squared}
        if weights.adversarial:
            with frozen(self.critic):
                terms["adversarial"] = -weights.adversarial * self.critic(torch.cat((made, greys), 1)).mean()
        if weights.flow:
            with frozen(self.flow):
                terms["flow"] = weights.flow * flow_loss(self._flows(made), earlier, later, volume)
        if weights.picture:
            with frozen(self.picture):
                terms["picture"] = weights.picture * picture_loss(self._pictures(made, earlier), later)
        logs = {"squared": squared.detach(), "made": made.detach().mean(), "true": volume.mean()}
        return LossTerms(terms, logs)

    def _critic_loss(
        self, made: Volume, volume: Volume, greys: Float[Tensor, "batch 2 height width"], step: int
    ) -> LossTerms:
        real = self.critic(torch.cat((volume, greys), 1))
        fake = self.critic(torch.cat((made, greys), 1))
        draw = draws_of(self.seed, step)
        swap = (torch.rand(real.shape, generator=draw) < self.recipe.weights.swapped).to(real.device)
        hinge = hinge_losses(torch.where(swap, fake, real), torch.where(swap, real, fake))
        logs = {"real": real.detach().mean(), "made": fake.detach().mean()}
        return LossTerms({"hinge": hinge}, logs, rate=self.recipe.weights.critic_rate)

    def _flows(self, volume: Volume) -> list[Tensor]:
        return [flow * self.recipe.weights.flow_reach for flow in self.flow(volume)]

    def _pictures(self, volume: Volume, earlier: Grey) -> list[Tensor]:
        """The later frame from the earlier one and all events of each polarity, whenever they happened."""
        summed = volume.unflatten(1, (POLARITIES, -1)).sum(2)
        return self.picture(torch.cat((summed, earlier), 1))

    def volume(self, batch: Batch) -> Volume:
        """What the network makes of a batch's ends."""
        with evaluating(self.events):
            return self.events(*pictures_of(batch)).float()

    def predict(self, batch: Batch) -> Tensor:
        """The picture of the volume that the network makes: the validation's `target` is that of the true one."""
        return volume_picture(self.volume(batch))

    @torch.no_grad()
    def inspect(self, validation: Sequence[Batch], predictions: Sequence[Tensor]) -> Inspection:
        """Root mean square errors of the volume: the network's, of events simulated from the ends alone, of none.

        Args:
            validation: Batches.
            predictions: What `predict` made of each.
        """
        device = next(self.events.parameters()).device
        found: dict[str, list[float]] = {"error": [], "error_simulated": [], "error_nothing": []}
        truths, makings = [], []
        for batch, made in zip(validation, predictions, strict=True):
            batch = {name: value.to(device) for name, value in batch.items()}
            true = batch["volume"]
            simulated = simulate_events(torch.stack(pictures_of(batch), 1), self.recipe.hints.threshold)
            found["error"].append(float((self.volume(batch) - true).square().mean()))
            found["error_simulated"].append(float((simulated - true).square().mean()))
            found["error_nothing"].append(float(true.square().mean()))
            if len(truths) < SHOWN and (not truths or made.shape[-2] == truths[0].shape[-2]):
                truths.append(volume_picture(true)[0])
                makings.append(made[0])
        scores = {f"validation_{name}": math.sqrt(sum(values) / len(values)) for name, values in found.items()}
        return Inspection(scores, torch.cat(truths, -1).cpu(), torch.cat(makings, -1).cpu())

    def description(self) -> Mapping[str, Any]:
        # As JSON would give it back: lists for tuples, so that a checkpoint's description compares equal.
        return {"method": "madiff-events", "network": json.loads(json.dumps(asdict(self.recipe.hints)))}


def pictures_of(batch: Batch) -> tuple[Pictures, Pictures]:
    """Both ends: RGB in [0, 1] from the loader's bytes."""
    return batch["before"].float() / 255, batch["after"].float() / 255


def _begin_with(network: EventNetwork, path: Path) -> None:
    """Weights of a file, as the weights before their spectral norms are divided out: they are near one already."""
    begun = load_events(path)
    if begun.config != network.config:
        raise WeightsError(f"{path} is of {begun.config}; the recipe describes {network.config}.")
    state = network.state_dict()
    for name, value in begun.state_dict().items():
        plain = name.removesuffix(".weight") + ".parametrizations.weight.original"
        state[plain if plain in state else name] = value
    network.load_state_dict(state)
    settle(network)
    network.train()
