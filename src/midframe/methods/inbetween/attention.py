"""Temporal self-attention of both directions through one network.

The two directions differ in the value and output projections of temporal self-attention and in nothing else. So one
network holds both: a pass runs the clip forwards, or the reversed clip backwards with maps that were handed over, or
both at once, one half of the batch each, with no map kept. The maps travel by the name of their layer in a mapping
that the caller holds; nothing counts layers, and recomputed layers find the same maps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from midframe.core.errors import ShapeError, WeightsError
from midframe.methods.inbetween.config import BackwardConfig, Rotated
from midframe.methods.inbetween.rotation import AttentionMap, Projected, Stored, probabilities

TEMPORAL = ".temporal_transformer_blocks."
"""Part of the names of the layers that are meant; `attn1` among them is self-attention."""
SUFFIX = ".attn1.processor"
UPWARD = "up_blocks."

Maps = Mapping[str, AttentionMap]
"""Attention of one forward pass, by layer."""
Kept = Literal["probabilities", "projections"]
"""As what maps are kept: probabilities take less memory, queries and keys let fused attention run."""
Direction = Literal["forward", "backward", "both"]


def temporal_layers(processors: Mapping[str, Any]) -> list[str]:
    """Names of the temporal self-attention layers of a network, from the names of its processors.

    Raises:
        WeightsError: It has none, or several in a row, which would need maps of their own.
    """
    found = [name.removesuffix(".processor") for name in processors if TEMPORAL in name and name.endswith(SUFFIX)]
    if not found:
        raise WeightsError("The network has no temporal self-attention: it is no image-to-video model of this kind.")
    return found


class ReverseProjections(nn.Module):
    """The backward model's own projections of temporal self-attention: all that Algorithm 1 trains.

    Args:
        weights: By layer and projection, as `{layer}.{projection}.weight`; copied.
        config: What they are.
    """

    def __init__(self, weights: Mapping[str, Tensor], config: BackwardConfig) -> None:
        super().__init__()
        self.config = config
        # A dot would be taken for a submodule.
        self.weights = nn.ParameterDict(
            {name.replace(".", "/"): nn.Parameter(value.detach().clone()) for name, value in weights.items()}
        )

    def weight(self, layer: str, projection: str) -> Tensor | None:
        """The own weight of a layer's projection; None where it is the forward model's."""
        name = f"{layer}.{projection}.weight".replace(".", "/")
        return self.weights.get(name)

    def named_weights(self) -> dict[str, Tensor]:
        """By the names that they have in the network."""
        return {name.replace("/", "."): value for name, value in self.weights.items()}

    def deltas(self, base: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What was learnt: the difference to the network's own weights, float32 on the CPU."""
        return {
            name: value.detach().float().cpu() - base[name].detach().float().cpu()
            for name, value in self.named_weights().items()
        }


def projection_weights(
    state: Mapping[str, Tensor], layers: Sequence[str], config: BackwardConfig
) -> dict[str, Tensor]:
    """The network's own weights that a backward model replaces.

    Raises:
        WeightsError: One is missing.
    """
    names = [f"{layer}.{projection}.weight" for layer in layers for projection in config.projections]
    missing = [name for name in names if name not in state]
    if missing:
        raise WeightsError(f"The network lacks {', '.join(missing)}.")
    return {name: state[name] for name in names}


def apply_deltas(
    base: Mapping[str, Tensor], deltas: Mapping[str, Tensor], config: BackwardConfig
) -> ReverseProjections:
    """The backward model of a network from what another network of its kind learnt.

    Args:
        base: The network's own weights (`projection_weights`).
        deltas: Differences by the same names.
        config: What they are.

    Raises:
        WeightsError: They are of another network.

    Source: the released code's transfer from 14 to 25 frames: W_25 + (W_tuned_14 - W_14).
    """
    unmatched = sorted(base.keys() ^ deltas.keys())
    unmatched += sorted(name for name in base.keys() & deltas.keys() if base[name].shape != deltas[name].shape)
    if unmatched:
        raise WeightsError(f"The backward model does not fit this network in: {', '.join(unmatched)}.")
    merged = {name: value.detach().float() + deltas[name].to(value.device).float() for name, value in base.items()}
    return ReverseProjections(merged, config)


@dataclass(frozen=True, eq=False)
class Pass:
    """What temporal self-attention does while a batch goes through the network.

    Attributes:
        direction: Of the batch; for "both" its first half runs forwards, the second backwards.
        given: Maps for a backward pass.
        taken: Receives the maps of a forward pass, where they are wanted.
        kept: As what they are kept.
    """

    direction: Direction
    given: Maps = field(default_factory=dict)
    taken: MutableMapping[str, AttentionMap] | None = None
    kept: Kept = "probabilities"


class TwoWayNetwork(nn.Module):
    """A spatio-temporal U-Net that runs in both directions.

    Args:
        unet: Of the library; its temporal self-attention is taken over.
        backward: The backward model's projections; None for those of the forward model.
        rotates: Layers that follow the forward model's maps, by name; by default all.
    """

    def __init__(
        self,
        unet: nn.Module,
        backward: ReverseProjections | None = None,
        rotates: Callable[[str], bool] | None = None,
    ) -> None:
        super().__init__()
        self.unet = unet
        self.backward = backward
        self.rotates = rotates or rotating("all")
        self.current = Pass("forward")
        library = cast(Any, unet)
        processors: dict[str, Any] = dict(library.attn_processors)
        self.layers = temporal_layers(processors)
        for layer in self.layers:
            processors[f"{layer}.processor"] = TemporalAttention(layer, self)
        library.set_attn_processor(processors)

    def own_weights(self, config: BackwardConfig) -> dict[str, Tensor]:
        """The forward model's weights that a backward model of this kind replaces."""
        return projection_weights(self.unet.state_dict(), self.layers, config)

    def forward(
        self, features: Tensor, level: Tensor, embedding: Tensor, facts: Tensor, way: Pass | None = None
    ) -> Tensor:
        """One pass.

        Args:
            features: (batch, frame, channel, height, width), noisy latents beside the conditioning one.
            level: (batch,), what the network is told of the noise.
            embedding: (batch, 1, width), of the conditioning picture.
            facts: (batch, 3), rate, motion and augmentation.
            way: What temporal self-attention does; by default the forward model.

        Returns:
            (batch, frame, channel, height, width), the velocity.

        Raises:
            ShapeError: Both directions are asked of a batch that has no two halves.
        """
        way = way or Pass("forward")
        if way.direction == "both" and len(features) % 2:
            raise ShapeError(f"A pass in both directions takes an even batch; got {len(features)}.")
        # Stays until the next pass: gradient checkpointing runs layers again when this call is long over.
        self.current = way
        return self.unet(features, level, embedding, added_time_ids=facts, return_dict=False)[0]


class TemporalAttention:
    """Attention processor of one temporal self-attention layer.

    Args:
        layer: Its name.
        network: Says what is to be done, and holds the backward model.
    """

    def __init__(self, layer: str, network: TwoWayNetwork) -> None:
        # Not as a module's attribute: the network would hold itself.
        self.layer, self.network = layer, network

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        assert encoder_hidden_states is None
        assert attention_mask is None
        way = self.network.current
        if way.direction == "forward":
            return self._forward(attn, hidden_states, way)[0]
        if way.direction == "backward":
            return self._backward(attn, hidden_states, way.given.get(self.layer))
        half = len(hidden_states) // 2
        made, query, key = self._forward(attn, hidden_states[:half], way)
        return torch.cat((made, self._backward(attn, hidden_states[half:], Projected(query, key))))

    def _forward(self, attn: Any, features: Tensor, way: Pass) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value = (_split(projection(features), attn) for projection in (attn.to_q, attn.to_k, attn.to_v))
        if way.taken is None:
            gathered = functional.scaled_dot_product_attention(query, key, value)
        elif way.kept == "projections":
            way.taken[self.layer] = Projected(query, key)
            gathered = functional.scaled_dot_product_attention(query, key, value)
        else:
            map_ = probabilities(query, key)
            way.taken[self.layer] = Stored(map_)
            gathered = map_ @ value
        return attn.to_out[1](attn.to_out[0](_merge(gathered))), query, key

    def _backward(self, attn: Any, features: Tensor, followed: AttentionMap | None) -> Tensor:
        value = _split(self._project(attn, "to_v", features), attn)
        if self.network.rotates(self.layer):
            if followed is None:
                raise WeightsError(f"A backward pass was not given the map of {self.layer}.")
            gathered = followed.apply_rotated(value)
        else:
            query, key = (_split(self._project(attn, name, features), attn) for name in ("to_q", "to_k"))
            gathered = functional.scaled_dot_product_attention(query, key, value)
        return attn.to_out[1](self._project(attn, "to_out.0", _merge(gathered)))

    def _project(self, attn: Any, name: str, features: Tensor) -> Tensor:
        """Through the backward model's own weight, where it has one; biases are never its own."""
        linear = attn.get_submodule(name)
        own = None if self.network.backward is None else self.network.backward.weight(self.layer, name)
        if own is None:
            return linear(features)
        # Trained weights are float32 beside features that may be short.
        return functional.linear(features, own.to(features.dtype), linear.bias)


def rotating(rotated: Rotated) -> Callable[[str], bool]:
    """Whether a layer follows the forward model's maps, by its name."""
    return {"all": _always, "up": is_upward, "none": _never}[rotated]


def is_upward(layer: str) -> bool:
    """Whether a layer lies in the upward half of the network."""
    return layer.startswith(UPWARD)


def _always(layer: str) -> bool:
    return True


def _never(layer: str) -> bool:
    return False


def _split(features: Tensor, attn: Any) -> Tensor:
    rows, frames, width = features.shape
    return features.view(rows, frames, attn.heads, width // attn.heads).transpose(1, 2)


def _merge(heads: Tensor) -> Tensor:
    return heads.transpose(1, 2).flatten(2)
