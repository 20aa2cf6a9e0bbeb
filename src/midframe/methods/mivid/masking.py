"""What is hidden of a clip while training: frames, moving rectangles, patches; more as training goes on.

The paper names hybrid masking (random and block) and a cosine progression; its numbers could not be read and are this
project's. The last fifth of a training hides frames 1 to 7, as interpolation does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from midframe.core.errors import RecipeError
from midframe.methods.mivid.config import FRAMES

INNER = FRAMES - 2
ALL_HIDDEN_FROM = 0.8
"""Part of the training after which the progressive share has reached its end."""
WHOLE_FROM = 0.9
"""Part of the training after which nothing but whole frames is hidden."""
MOST_HIDDEN_OF_AN_END = 0.3
"""Share of the first and of the last frame that rectangles and patches may hide."""
MOST_OCCLUDERS, LONGEST_OCCLUSION, FASTEST_OCCLUDER = 3, 4, 2

Visibility = Float[Tensor, "batch 1 frame height width"]


@dataclass(frozen=True, kw_only=True)
class MaskRecipe:
    """How to hide.

    Attributes:
        kind: Which inner frames: "random" ones, a "block" of neighbours, or "hybrid", either with equal chance.
        ratio: "progressive" grows along a cosine from `first` to `last`; "fixed" stays at `fixed`.
        first: Share of the inner frames hidden at the start.
        last: Share at the end.
        fixed: Share where it does not change.
        occluders: Probability of rectangles that move over a clip.
        patches: Probability that patches are dropped.
        patch_rate: Share of the patches that are, times the share of hidden frames.
        patch_side: In pixels.
    """

    kind: Literal["hybrid", "random", "block"] = "hybrid"
    ratio: Literal["progressive", "fixed"] = "progressive"
    first: float = 0.25
    last: float = 1.0
    fixed: float = 0.6
    occluders: float = 0.5
    patches: float = 0.25
    patch_rate: float = 0.15
    patch_side: int = 8

    def __post_init__(self) -> None:
        for name in ("first", "last", "fixed", "occluders", "patches", "patch_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise RecipeError(f"{name} is a share in [0, 1]; got {getattr(self, name)}.")
        if self.patch_side < 1:
            raise RecipeError(f"patch_side is at least one pixel; got {self.patch_side}.")


def hidden_share(recipe: MaskRecipe, progress: float) -> float:
    """Share of the inner frames to hide, at a part in [0, 1] of the training."""
    if recipe.ratio == "fixed":
        return recipe.fixed
    # rho(e) = rho0 + (rho1 - rho0) (1 - cos(pi min(1, e / 0.8 E))) / 2
    rise = 0.5 * (1 - math.cos(math.pi * min(1.0, progress / ALL_HIDDEN_FROM)))
    return recipe.first + (recipe.last - recipe.first) * rise


def hidden_count(recipe: MaskRecipe, progress: float) -> int:
    """Inner frames to hide, at least one."""
    return max(1, round(INNER * hidden_share(recipe, progress)))


def ends_visible(batch: int, height: int, width: int) -> Visibility:
    """What interpolation knows: the first and the last frame."""
    visible = torch.zeros(batch, 1, FRAMES, height, width)
    visible[:, :, 0] = visible[:, :, -1] = 1
    return visible


def partly_hidden(visible: Visibility) -> Bool[Tensor, " batch_frame"]:
    """The frames, clip after clip, of which something is hidden."""
    return (visible.amin((1, 3, 4)) < 0.5).flatten()


def draw_visibility(
    recipe: MaskRecipe, size: tuple[int, int, int], progress: float, generator: torch.Generator | None = None
) -> Visibility:
    """1 where a training clip is shown, 0 where it is hidden.

    Args:
        recipe: How to hide.
        size: Clips, height and width.
        progress: Part in [0, 1] of the training that is done.
        generator: On the CPU.
    """
    clips, height, width = size
    visible = torch.ones(clips, 1, FRAMES, height, width)
    count, share = hidden_count(recipe, progress), hidden_share(recipe, progress)
    for clip in range(clips):
        shown = visible[clip, 0]
        if progress < WHOLE_FROM:
            if _chance(recipe.occluders, generator):
                _occlude(shown, generator)
            if _chance(recipe.patches, generator):
                _drop_patches(shown, recipe, share, generator)
            for end in (0, -1):
                if float(1 - shown[end].mean()) > MOST_HIDDEN_OF_AN_END:
                    shown[end] = 1
        shown[_hidden_frames(recipe, count, generator)] = 0
    return visible


def _hidden_frames(recipe: MaskRecipe, count: int, generator: torch.Generator | None) -> Tensor:
    block = recipe.kind == "block" or (recipe.kind == "hybrid" and _chance(0.5, generator))
    if block:
        return 1 + _whole(0, INNER - count, generator) + torch.arange(count)
    return 1 + torch.randperm(INNER, generator=generator)[:count]


def _occlude(shown: Tensor, generator: torch.Generator | None) -> None:
    """Hide up to three rectangles that move over a few frames each, as something in front would."""
    height, width = shown.shape[-2:]
    for _ in range(_whole(1, MOST_OCCLUDERS, generator)):
        tall, wide = (_whole(side // 8, side // 3, generator) for side in (height, width))
        length = _whole(1, LONGEST_OCCLUSION, generator)
        first = _whole(0, FRAMES - length, generator)
        top, left = _whole(0, height - tall, generator), _whole(0, width - wide, generator)
        down, right = (_whole(-FASTEST_OCCLUDER, FASTEST_OCCLUDER, generator) for _ in range(2))
        for moved in range(length):
            y, x = top + moved * down, left + moved * right
            shown[first + moved, max(y, 0) : max(y + tall, 0), max(x, 0) : max(x + wide, 0)] = 0


def _drop_patches(shown: Tensor, recipe: MaskRecipe, share: float, generator: torch.Generator | None) -> None:
    height, width = shown.shape[-2:]
    side = recipe.patch_side
    cells = torch.rand(FRAMES, -(-height // side), -(-width // side), generator=generator)
    dropped = (cells < recipe.patch_rate * share).repeat_interleave(side, 1).repeat_interleave(side, 2)
    shown[dropped[:, :height, :width]] = 0


def _chance(probability: float, generator: torch.Generator | None) -> bool:
    return float(torch.rand((), generator=generator)) < probability


def _whole(low: int, high: int, generator: torch.Generator | None) -> int:
    """A whole number from low to high, both possible."""
    return int(torch.randint(low, high + 1, (), generator=generator))
