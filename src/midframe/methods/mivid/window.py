"""Attention over a window: a hidden pixel looks around itself in the two nearest frames that show its surroundings.

A convolution can darken and brighten a pixel, but hardly fetch one: to move an edge by ten pixels it has to carry
colours through many layers. Here every hidden pixel attends to pairs of places, one in the frame before and one in
the frame after, that lie on a straight way through it, and takes their colours. What makes a pair likely is how alike
its two places look, near and around them: attention's comparison of queries and keys, with the keys compared to each
other, since the pixel itself is hidden; and what a small network makes of how alike all pairs around are. What comes
out is a mean of colours over all ways: no single flow is chosen, though the weights tell motion to whoever asks them.

The frames before and after are put together pixel by pixel (`blend.neighbours`). Beside a small hole in a frame that
is otherwise visible they are that frame itself, so there the way of no length is the likeliest.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from jaxtyping import Bool, Float
from torch import Tensor, nn

from midframe.methods.mivid.blend import Neighbours
from midframe.methods.mivid.masking import partly_hidden
from midframe.methods.mivid.ways import Ways, fetch

STEP = 2
"""Pixels between the ends of neighbouring pairs, and pixels of a place: similarity is judged at half size."""
WINDOWS = (3, 5, 9)
"""Sides of the squares, in places, over which differences are averaged; those of the place itself count too."""
FIRST_WEIGHTS = (2.0, 2.0, 100.0, 100.0)
"""Of the differences at the place and over each square, before anything is learnt: a decibel above the blend."""
FIRST_LENGTH_WEIGHT = 0.05
"""Of the squared length of a way, in steps."""
WIDTH = 32
COMPARED, SHARPNESS = (0, 3), 10.0
"""Which differences all ways are compared by, the place's own and those of the widest square, and how steeply."""
COMPARE_WIDTH = 64
FAVOUR = 5.0
"""Factor of what the comparison says, so that it is learnt in fewer steps."""
LEAST_CHANCE = 20.0
"""How far, at most, the logarithm of a way's weight lies below that of the likeliest."""

Clip = Float[Tensor, "batch _ frame height width"]
Frames = Float[Tensor, "image _ height width"]


@dataclass(frozen=True, eq=False)
class Attended:
    """What attention over a window found, and where.

    Attributes:
        found: The colours of the places in the frame before and in the frame after; frames that are wholly visible as
            they came.
        hidden: The frames, clip after clip, of which something is hidden. What follows is of them, in their order.
        part: Of the time from the frame before to the frame after, for each.
        weight: Of each way at each place of a `STEP`-th of the size.
    """

    found: Neighbours
    hidden: Bool[Tensor, " batch_frame"]
    part: Float[Tensor, " image"]
    weight: Float[Tensor, "image down right small_height small_width"]


class WindowAttention(nn.Module):
    """Weighs pairs of places. How much near and wide surroundings count is learnt, for each pixel.

    Args:
        reach: Pairs on each side of the pixel itself, in both axes: ways of up to `STEP` x `reach` pixels are seen.
    """

    def __init__(self, reach: int) -> None:
        super().__init__()
        self.reach = reach
        last = nn.Conv2d(WIDTH, len(FIRST_WEIGHTS) + 1, 3, padding=1)
        assert last.bias is not None
        nn.init.zeros_(last.weight)
        with torch.no_grad():
            # The exponential of what is judged is the weight.
            last.bias.copy_(torch.tensor([*FIRST_WEIGHTS, FIRST_LENGTH_WEIGHT]).log())
        self.judge = nn.Sequential(
            nn.Conv2d(7, WIDTH, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
            nn.SiLU(),
            last,
        )
        self.compare = _Comparison((2 * reach + 1) ** 2)

    def forward(self, found: Neighbours, visible: Float[Tensor, "batch 1 frame height width"]) -> Attended:
        """Attend, from every pixel of every frame of which something is hidden.

        Args:
            found: Of the clip, (batch, 3, frame, height, width), in [-1, 1]; height and width even.
            visible: 1 where a pixel is known, else 0.
        """
        hidden = partly_hidden(visible)
        before, after, share = (_flat(values)[hidden] for values in (found.before, found.after, found.share))
        part = _common(share)
        weight = self._weights(before, after, share, part)
        before, after = fetch(before, after, weight, Ways.square(part, self.reach, (float(STEP), float(STEP))))
        seen = Neighbours(_replaced(found.before, hidden, before), _replaced(found.after, hidden, after), found.share)
        return Attended(seen, hidden, part, weight)

    def _weights(
        self, before: Frames, after: Frames, share: Frames, part: Float[Tensor, " image"]
    ) -> Float[Tensor, "image down right small_height small_width"]:
        """Of each way, at a `STEP`-th of the size; they sum to one."""
        before, after, share = (functional.avg_pool2d(values, STEP) for values in (before, after, share))
        precision = next(self.judge.parameters()).dtype
        pictures = torch.cat((before, after, share), 1)
        scale = self.judge(pictures.to(precision)).float().exp()
        ways = Ways.square(part, self.reach, (1.0, 1.0))
        # Scores are a hundred times these means: in bfloat16 they would be rounded to tenths.
        with torch.no_grad(), torch.autocast(before.device.type, enabled=False):
            apart = before.new_empty(len(before), len(ways.down) * len(ways.right), *before.shape[2:])
            for images, each in ways.ends(before, after):
                apart[images] = torch.stack([(ends[:, :3] - ends[:, 3:]).abs_().mean(1) for ends in each], 1)
            means = [apart, *(_box_mean(apart, side) for side in WINDOWS)]
            down, right = (before.new_tensor(lengths).square() for lengths in (ways.down, ways.right))
            length = (down[:, None] + right).flatten()
            alike = [(-SHARPNESS * means[number]).exp() for number in COMPARED]
        score = -scale[:, -1:] * length[:, None, None]
        for number, mean in enumerate(means):
            score = score - scale[:, number, None] * mean
        score = score + self.compare(torch.cat((pictures, *alike), 1).to(precision)).float()
        # Weights of 1e-40 and their gradients are subnormal numbers, which take a CPU ten times as long.
        score = (score - score.amax(1, keepdim=True)).clamp(min=-LEAST_CHANCE)
        return score.softmax(1).unflatten(1, (len(ways.down), len(ways.right)))


class _Comparison(nn.Module):
    """What speaks for each way beside its own likeness: that of the others, there and around. Starts with nothing.

    Args:
        ways: Their number.
    """

    def __init__(self, ways: int) -> None:
        super().__init__()
        width = COMPARE_WIDTH
        self.enter = nn.Conv2d(7 + len(COMPARED) * ways, width, 3, padding=1)
        # Half as fine, for a sight of the wider surroundings: dilated convolutions train ten times slower on a CPU.
        self.wide = nn.Sequential(
            nn.Conv2d(width, width, 3, 2, 1),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.SiLU(),
        )
        self.leave = nn.Conv2d(2 * width, ways, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        assert self.leave.bias is not None
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Frames) -> Frames:
        near = functional.silu(self.enter(x))
        wide = functional.interpolate(self.wide(near), near.shape[2:], mode="nearest")
        return FAVOUR * self.leave(torch.cat((near, wide), 1))


def _flat(values: Clip) -> Frames:
    return values.transpose(1, 2).flatten(0, 1)


def _common(share: Frames) -> Float[Tensor, " image"]:
    """One share for all pixels of a frame: that of most which lie between two others. A few may have another.

    Rectangles hide pixels of the other frames too. A mean would let such a rectangle move the whole frame.
    """
    shares = share.flatten(1)
    between = shares.masked_fill((shares <= 0) | (shares >= 1), torch.nan).nanmedian(1).values
    # Where no pixel lies between two: 1 if the only frames that show them come later.
    return torch.where(between.isnan(), shares.amax(1), between)


def _replaced(clip: Clip, chosen: Bool[Tensor, " all"], frames: Float[Tensor, "chosen _ height width"]) -> Clip:
    """The clip with some frames of the batch exchanged."""
    whole = _flat(clip).clone()
    whole[chosen] = frames
    return whole.unflatten(0, (len(clip), clip.shape[2])).transpose(1, 2)


def _box_mean(values: Frames, side: int) -> Frames:
    """Mean over squares; at borders over what is there. Two products with bands take less time than pooling."""
    down, right = (_band(size, side, values) for size in values.shape[-2:])
    return down @ values @ right.T


def _band(size: int, side: int, like: Tensor) -> Float[Tensor, "size size"]:
    here = torch.arange(size, device=like.device)
    band = ((here[:, None] - here).abs() <= side // 2).to(like.dtype)
    return band / band.sum(1, keepdim=True)
