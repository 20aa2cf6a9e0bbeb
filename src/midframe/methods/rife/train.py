"""RIFE as a training task: what one batch means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from midframe.core.task import Batch, LossTerms
from midframe.methods.rife.config import RifeConfig
from midframe.methods.rife.network import RifeNetwork
from midframe.methods.rife.objective import ObjectiveWeights, objective


class RifeTask:
    """Train the default network on triplets (`midframe.data.triplets`)."""

    def __init__(self, config: RifeConfig, weights: ObjectiveWeights) -> None:
        self.config, self.weights = config, weights
        self.network = RifeNetwork(config).to(memory_format=torch.channels_last)

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"rife": self.network}

    def losses(self, batch: Batch, step: int) -> Mapping[str, LossTerms]:
        before, target, after = _pictures(batch)
        result = self.network(before, after, batch["time"], target)
        pair = torch.cat((before, after))
        known = batch.get("flow"), batch.get("flow_weight")
        return {"rife": objective(result, pair, target, self.weights, *known)}

    def predict(self, batch: Batch) -> Tensor:
        before, _, after = _pictures(batch)
        return self.network(before, after, batch["time"]).output.clamp(0, 1)

    def description(self) -> Mapping[str, Any]:
        return {"method": "rife", "network": asdict(self.config)}


def _pictures(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Bytes from the loader to RGB in [0, 1], on whatever device they lie."""
    before, target, after = (batch[name].float() / 255 for name in ("before", "target", "after"))
    return before, target, after
