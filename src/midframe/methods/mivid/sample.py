"""MiVID as an interpolator, and as a restorer of any hidden part of nine frames."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

from midframe.core.errors import ShapeError, UsageError, WeightsError
from midframe.core.method import Frames, Grid, MethodSpec, Window, check_request
from midframe.core.options import LoadOptions
from midframe.diffusion.sampler import sample_ddim, sampling_steps
from midframe.methods.mivid.blend import nearest
from midframe.methods.mivid.config import FRAMES
from midframe.methods.mivid.network import Conditions, MaskedVideoNetwork
from midframe.methods.mivid.reconstruction import guess
from midframe.methods.mivid.ways import Ways, fetch
from midframe.methods.mivid.weights_file import load_network
from midframe.methods.mivid.window import Attended
from midframe.ops.resize import resize

PARTS = FRAMES - 1

Clip = Float[Tensor, "batch 3 frame height width"]
Visibility = Float[Tensor, "batch 1 frame height width"]


def create(options: LoadOptions) -> MividInterpolator:
    """Build the interpolator from its weights.

    Raises:
        WeightsError: No file was named, or it does not fit.
        UsageError: A flow scale was asked for.
    """
    if options.weights is None:
        raise WeightsError("MiVID needs a file of weights.")
    if options.scale is not None:
        raise UsageError(f"MiVID estimates no flow: a scale ({options.scale}) does not apply to it.")
    network = load_network(options.weights).to(options.device, options.precision)
    return MividInterpolator(network.eval(), steps=options.steps, tta=options.tta)


class MividInterpolator:
    """Frames at the eighths of a gap.

    Args:
        network: In evaluation mode, on its device, in its precision.
        steps: From noise to picture; None for the network's own number.
        eta: Share of fresh noise at each step.
        tta: Average with the result for mirrored frames.
    """

    def __init__(
        self, network: MaskedVideoNetwork, *, steps: int | None = None, eta: float = 0.0, tta: bool = False
    ) -> None:
        self.network, self.eta, self.tta = network, eta, tta
        self.steps = sampling_steps(network.config.noise_steps, steps or network.config.sampling_steps)
        self._spec = MethodSpec(name="mivid", context=1, times=Grid(PARTS), stochastic=True, pixel_bytes=440)

    @property
    def spec(self) -> MethodSpec:
        return self._spec

    @property
    def device(self) -> torch.device:
        """Where the network is, and its input belongs."""
        return next(self.network.parameters()).device

    @torch.inference_mode()
    def interpolate(
        self,
        frames: Window,
        times: Sequence[Fraction],
        *,
        generator: torch.Generator | None = None,
    ) -> Frames:
        """See `midframe.core.method.Interpolator.interpolate`.

        All seven eighths are made together at the network's size, whichever are asked for: a frame does not depend on
        the others' being wanted.
        """
        check_request(self.spec, frames, times)
        wanted = [int(time * PARTS) for time in times]
        clip = frames.new_zeros(len(frames), FRAMES, *frames.shape[2:])
        clip[:, 0], clip[:, -1] = frames.unbind(1)
        visible = torch.zeros(FRAMES, dtype=torch.bool, device=frames.device)
        visible[0] = visible[-1] = True
        made = self._restored(clip, visible, wanted, generator)
        if self.tta:
            made = (made + self._restored(clip.flip(-1), visible, wanted, generator).flip(-1)) / 2
        return made[:, wanted]

    @torch.inference_mode()
    def restore(
        self,
        frames: Float[Tensor, "batch frame 3 height width"],
        visible: Tensor,
        *,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "batch frame 3 height width"]:
        """Fill what is hidden of nine frames.

        Args:
            frames: Nine frames, RGB in [0, 1]; hidden ones may hold anything.
            visible: Which are known: nine truth values, one for each frame.
            generator: Source of randomness.

        Returns:
            All nine frames in [0, 1]: the visible ones as they came, clamped.

        Raises:
            ShapeError: Not nine frames, or not nine truth values.
            UsageError: No frame is visible, or there is no generator.
        """
        if frames.shape[1] != FRAMES or tuple(visible.shape) != (FRAMES,):
            raise ShapeError(
                f"MiVID restores {FRAMES} frames with as many truth values; got {frames.shape[1]} and "
                f"{tuple(visible.shape)}."
            )
        if not visible.any():
            raise UsageError("At least one of the nine frames must be visible.")
        return self._restored(frames, visible, range(FRAMES), generator)

    def _restored(
        self,
        frames: Float[Tensor, "batch frame 3 height width"],
        visible: Tensor,
        wanted: Sequence[int],
        generator: torch.Generator | None,
    ) -> Float[Tensor, "batch frame 3 height width"]:
        """As `restore`; hidden frames that are not wanted stay black."""
        if generator is None:
            raise UsageError("MiVID draws random numbers: pass a generator.")
        shown = visible.bool().view(1, 1, FRAMES, 1, 1)
        clip = torch.where(shown, frames.float().transpose(1, 2).clamp(0, 1), 0)
        height, width = frames.shape[-2:]
        config = self.network.config
        small_size = _working_size(height, width, config.size, config.multiple)
        small = _shrunk(clip, small_size) * 2 - 1
        mask = shown.float().expand(len(frames), 1, FRAMES, *small_size)
        known = small * mask
        conditions = self.network.conditions(known, mask)
        made = sample(self.network, conditions, self.steps, eta=self.eta, generator=generator)
        # What the network adds to what was found is enlarged; what was found is made at full size, frame by frame.
        added = (made - conditions.found) / 2
        for frame in wanted:
            if not visible[frame]:
                found = self._found(clip, shown.float(), frame, conditions.attended)
                clip[:, :, frame] = (found + resize(added[:, :, frame], (height, width))).clamp(0, 1)
        return clip.transpose(1, 2)

    def _found(
        self, clip: Clip, visible: Float[Tensor, "1 1 frame 1 1"], frame: int, attended: Attended | None
    ) -> Float[Tensor, "batch 3 height width"]:
        """What the visible frames have for a hidden one, at the clip's own size.

        Args:
            clip: As it is known.
            visible: 1 for frames that are known, in all clips, else 0.
            frame: Its number.
            attended: By the network, on the clip made small.
        """
        first, second, share = (values.flatten() for values in nearest(visible))
        before, after = clip[:, :, int(first[frame])], clip[:, :, int(second[frame])]
        if attended is not None:
            # The weights are of hidden frames alone, clip after clip.
            number = attended.hidden.cumsum(0).view(len(clip), FRAMES)[:, frame] - 1
            weight = attended.weight[number]
            spacing = [large / small for large, small in zip(clip.shape[3:], weight.shape[3:], strict=True)]
            ways = Ways.square(attended.part[number], self.network.config.reach, spacing)
            before, after = fetch(before, after, weight, ways)
        return before.lerp(after, float(share[frame]))


def sample(
    network: MaskedVideoNetwork,
    conditions: Conditions,
    steps: Sequence[int],
    *,
    eta: float = 0.0,
    generator: torch.Generator | None = None,
) -> Clip:
    """Restore a clip at the network's own size, from noise.

    Args:
        network: In evaluation mode.
        conditions: Of the clip, by the network; its height and width are multiples of the network's `multiple`.
        steps: Descending steps of the diffusion.
        eta: Share of fresh noise at each step.
        generator: On the clip's device.

    Returns:
        The clip in [-1, 1], as it was where visible.
    """
    known, visible = conditions.known, conditions.visible
    levels = network.config.levels().to(known.device)

    def denoise(noisy: Tensor, step: int) -> Tensor:
        at = torch.full((len(known),), step, device=known.device)
        clean = guess(network, levels, conditions, noisy, at).clean
        # Without the clamp colours drift: every step would start from values that no picture has.
        return torch.where(visible > 0.5, known, clean.clamp(-1, 1))

    noise = torch.randn(known.shape, generator=generator, device=known.device)
    return sample_ddim(denoise, noise, levels, steps, eta=eta, generator=generator)


def _working_size(height: int, width: int, short: int, multiple: int) -> tuple[int, int]:
    """Size at which the network works: its own short side, the shape kept as far as what it can halve allows."""
    factor = short / min(height, width)
    tall, wide = (max(round(side * factor / multiple), 1) * multiple for side in (height, width))
    return tall, wide


def _shrunk(clip: Tensor, size: tuple[int, int]) -> Tensor:
    """Resized with averaging, as the training clips were."""
    if clip.shape[-2:] == size:
        return clip
    flat = clip.transpose(1, 2).flatten(0, 1)
    small = functional.interpolate(flat, size=size, mode="bilinear", align_corners=False, antialias=True)
    return small.unflatten(0, (clip.shape[0], clip.shape[2])).transpose(1, 2)
