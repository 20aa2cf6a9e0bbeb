"""How much memory a clip takes, found by running its network without numbers.

PyTorch's meta device computes shapes and nothing else. A pass through the real classes there, with every tensor's
life watched, tells the most that is alive at once, at any size and in a second. Fused attention is counted as it runs
on a GPU, without its map.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Literal, TypeAlias, cast

import torch
import torch.nn.functional as functional
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.checkpoint import checkpoint

from midframe.core.errors import UsageError
from midframe.methods.inbetween.attention import Pass, ReverseProjections, TwoWayNetwork, rotating
from midframe.methods.inbetween.backbone import VideoModel, change_format, checkpoint_gradients
from midframe.methods.inbetween.config import BackwardConfig
from midframe.methods.inbetween.rotation import AttentionMap

Batching: TypeAlias = Literal["all", "directions", "one"]
"""What goes through the network at once."""

FLOAT32 = 4
LATENTS_ALIVE = 12
"""Copies of a clip's latents that sampling holds beside the network, in float32: few, and small."""


class PeakWatch(TorchDispatchMode):
    """Counts the bytes of all tensors that are made inside the block.

    Attributes:
        peak_bytes: Most that were alive at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak_bytes = 0
        self._alive_bytes = 0
        self._known: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, Tensor):
                self._count(value)
        return result

    def _count(self, value: Tensor) -> None:
        storage = value.untyped_storage()
        key = storage._cdata
        if key in self._known:
            return
        size = storage.nbytes()

        def forget(_: Any) -> None:
            self._alive_bytes -= size
            self._known.pop(key, None)

        self._known[key] = weakref.ref(storage, forget)
        self._alive_bytes += size
        self.peak_bytes = max(self.peak_bytes, self._alive_bytes)


class FusedAttention(TorchFunctionMode):
    """Attention whose map is never formed, as far as shapes go."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is functional.scaled_dot_product_attention:
            query, _, value = args[:3]
            # Not of the inputs' memory, and a function of all three for gradients.
            return (query * 1)[..., :1] * value.mean(-2, keepdim=True)
        return func(*args, **(kwargs or {}))


def peak_bytes(run: Callable[[], object]) -> int:
    """Most memory that tensors take while a function runs on the meta device."""
    with PeakWatch() as watch, FusedAttention():
        kept = run()
    del kept
    return watch.peak_bytes


def shadow(part: nn.Module, precision: torch.dtype) -> nn.Module:
    """A network of the same configuration without numbers."""
    kind = cast(Any, type(part))
    with torch.device("meta"):
        built = kind.from_config(cast(Any, part).config)
    # Some parameters are made by a constructor that does not see the device.
    return change_format(built.to("meta"), precision).eval().requires_grad_(False)


def weight_bytes(part: nn.Module) -> int:
    """Memory of a network's parameters and buffers."""
    return sum(value.numel() * value.element_size() for value in (*part.parameters(), *part.buffers()))


_MEASURED: dict[tuple[object, ...], int] = {}


def _kind(part: nn.Module) -> tuple[str, torch.dtype]:
    """What a network's memory depends on beside its input: its configuration and number format."""
    return repr(sorted(cast(Any, part).config.items(), key=str)), next(part.parameters()).dtype


def _inputs(ghost: TwoWayNetwork, clips: int, frames: int, rows: int, columns: int) -> tuple[Tensor, ...]:
    """What a pass takes, without numbers."""
    config, precision = cast(Any, ghost.unet).config, next(ghost.unet.parameters()).dtype
    with torch.device("meta"):
        return (
            torch.empty(clips, frames, config.in_channels, rows, columns, dtype=precision),
            torch.empty(clips),
            torch.empty(clips, 1, config.cross_attention_dim, dtype=precision),
            torch.empty(clips, 3, dtype=precision),
        )


def pass_bytes(network: TwoWayNetwork, clips: int, frames: int, rows: int, columns: int, *, keep_maps: bool) -> int:
    """Features of one pass through the U-Net, beyond its weights.

    Args:
        network: On any device.
        clips: In the batch.
        frames: Of a clip.
        rows: Of a latent.
        columns: Likewise.
        keep_maps: One direction after the other, with maps kept in between.
    """
    kind = _kind(network.unet)
    key = (*kind, network.rotates, clips, frames, rows, columns, keep_maps)
    if key not in _MEASURED:
        ghost = TwoWayNetwork(shadow(network.unet, kind[1]), rotates=network.rotates)

        def run() -> object:
            def through(way: Pass) -> Tensor:
                return ghost(*_inputs(ghost, clips, frames, rows, columns), way)

            if not keep_maps:
                return through(Pass("both" if clips % 2 == 0 else "forward"))
            maps: dict[str, AttentionMap] = {}
            forward = through(Pass("forward", taken=maps))
            return forward, through(Pass("backward", given=maps))

        with torch.no_grad():
            _MEASURED[key] = peak_bytes(run)
    return _MEASURED[key]


def checkpointed_as_fused(layer: Callable[..., Any], *inputs: Any) -> Any:
    """Gradient checkpointing as the library does it, with `FusedAttention` also where features are computed again.

    There the mode around the whole pass does not reach.
    """
    return checkpoint(layer, *inputs, use_reentrant=False, context_fn=lambda: (FusedAttention(), FusedAttention()))


def step_bytes(
    network: TwoWayNetwork, config: BackwardConfig, clips: int, rows: int, columns: int, *, checkpointing: bool
) -> int:
    """Features and gradients of one training step of Algorithm 1, beyond the network's weights.

    Args:
        network: On any device, in the precision of training.
        config: What is trained, on clips of how many frames.
        clips: In the batch.
        rows: Of a latent.
        columns: Likewise.
        checkpointing: Features are computed again for gradients.

    Returns:
        Bytes.
    """
    kind = _kind(network.unet)
    key = (*kind, config, clips, rows, columns, checkpointing)
    if key not in _MEASURED:
        ghost = TwoWayNetwork(shadow(network.unet, kind[1]), rotates=rotating(config.rotated))
        ghost.backward = ReverseProjections(ghost.own_weights(config), config).float().requires_grad_(True)
        if checkpointing:
            checkpoint_gradients(ghost, checkpointed_as_fused)

        def run() -> object:
            inputs = _inputs(ghost, clips, config.frames, rows, columns)
            maps: dict[str, AttentionMap] = {}
            if config.rotated != "none":
                with torch.no_grad():
                    ghost(*inputs, Pass("forward", taken=maps))
            made = ghost(*inputs, Pass("backward", given=maps))
            # As a method of the tensor it would be a call that the mode around it takes for itself.
            torch.autograd.backward([made.float().square().mean()])
            return made

        _MEASURED[key] = peak_bytes(run)
    return _MEASURED[key]


def check_step(
    model: VideoModel, config: BackwardConfig, clips: int, size: tuple[int, int], *, checkpointing: bool
) -> None:
    """Refuse a training whose steps do not fit into a GPU's memory, before hours of it.

    Args:
        model: On its device; where that does not tell its free memory, nothing is checked.
        config, checkpointing: As in `step_bytes`.
        clips: On this device in each step.
        size: Height and width in pixels.

    Raises:
        UsageError: A step takes more than is free; says what it takes.
    """
    device = model.device
    if device.type != "cuda":
        return
    rows, columns = (side // model.facts.latent_factor for side in size)
    needed = step_bytes(model.network, config, clips, rows, columns, checkpointing=checkpointing)
    # What PyTorch holds and nothing uses counts as free; the model's own weights lie in what it uses.
    spare = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    free = torch.cuda.mem_get_info(device)[0] + spare
    if needed > free:
        raise UsageError(
            f"A training step takes about {needed / 1e9:.1f} GB beside the weights for {clips} clips of "
            f"{config.frames} frames of {size[1]}x{size[0]}; {free / 1e9:.1f} GB are free on {device}. Take "
            "fewer clips or smaller ones (batch, height and width under [clips]), or share the batch among several "
            "GPUs."
        )


def decode_bytes(model: VideoModel, frames: int, rows: int, columns: int) -> int:
    """Features of decoding so many frames at once, beyond the codec's weights."""
    kind = _kind(model.codec)
    key = (*kind, frames, rows, columns)
    if key not in _MEASURED:
        ghost = cast(Any, shadow(model.codec, kind[1]))
        channels = ghost.config.latent_channels

        def run() -> object:
            with torch.device("meta"):
                latents = torch.empty(frames, channels, rows, columns, dtype=kind[1])
            return ghost.decode(latents, num_frames=frames).sample

        with torch.no_grad():
            _MEASURED[key] = peak_bytes(run)
    return _MEASURED[key]


def working_bytes(
    model: VideoModel,
    *,
    frames: int,
    size: tuple[int, int],
    batching: Batching,
    guided: bool,
    directions: int,
    decode_chunk: int | None,
) -> int:
    """Largest memory that a clip takes on the device, weights included.

    Args:
        model: The model.
        frames: Of the longest window.
        size: Height and width in pixels at which the model works.
        batching: How much goes through the network at once.
        guided: Every prediction is made twice.
        directions: One or two.
        decode_chunk: Frames that are decoded at a time.
    """
    rows, columns = (side // model.facts.latent_factor for side in size)
    clips = directions * (2 if guided else 1) if batching == "all" else directions if batching == "directions" else 1
    keep_maps = batching == "one" and directions == 2
    latents = LATENTS_ALIVE * frames * model.latent_channels * rows * columns * FLOAT32
    sampling = latents + pass_bytes(model.network, clips, frames, rows, columns, keep_maps=keep_maps)
    pictures = 2 * frames * 3 * size[0] * size[1] * FLOAT32
    decoding = pictures + decode_bytes(model, min(decode_chunk or frames, frames), rows, columns)
    parts = [weight_bytes(part) for part in (model.network, model.codec, model.image_encoder)]
    if model.offload:
        return max(parts[0] + sampling, parts[1] + decoding, parts[2])
    return sum(parts) + max(sampling, decoding)
