"""Attention over a window: a hidden pixel looks around itself in the two nearest frames that show its surroundings.

A convolution can darken and brighten a pixel, but hardly fetch one: to move an edge by ten pixels it has to carry
colours through many layers. Here every hidden pixel attends to pairs of places, one in the frame before and one in
the frame after, that lie on a straight way through it, and takes their colours. What makes a pair likely is how alike
its two places look, near and around them: attention's comparison of queries and keys, with the keys compared to each
other, since the pixel itself is hidden. What comes out is a weighted mean of colours. No flow is formed or warped
with, though the weights tell motion to whoever asks them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from midframe.methods.mivid.blend import Neighbours

STEP = 2
"""Pixels between the ends of neighbouring pairs, and pixels of a place: similarity is judged at half size."""
WINDOWS = (1, 3, 5, 9)
"""Sides of the squares, in places, over which differences are averaged."""
FIRST_WEIGHTS = (2.0, 2.0, 100.0, 100.0)
"""Of the differences over each, and of the squared length of the way below, before anything is learnt: good enough to
be a decibel above the temporal blend."""
FIRST_LENGTH_WEIGHT = 0.05
WIDTH = 32

Clip = Float[Tensor, "batch _ frame height width"]
Frames = Float[Tensor, "image _ height width"]
Places = Int[Tensor, "image height width way"]


class WindowAttention(nn.Module):
    """Weighs pairs of places. How much near and wide surroundings count is learnt, for each pixel.

    Args:
        reach: Pairs on each side of the pixel itself, in both axes: ways of up to `STEP` x `reach` pixels are seen.
    """

    line: Tensor

    def __init__(self, reach: int) -> None:
        super().__init__()
        self.register_buffer("line", torch.arange(-reach, reach + 1, dtype=torch.int32), persistent=False)
        last = nn.Conv2d(WIDTH, len(WINDOWS) + 1, 3, padding=1)
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

    def forward(self, found: Neighbours, visible: Float[Tensor, "batch 1 frame height width"]) -> Neighbours:
        """Attend, from every pixel of every frame of which something is hidden.

        Args:
            found: Of the clip, (batch, 3, frame, height, width), in [-1, 1]; height and width even.
            visible: 1 where a pixel is known, else 0.

        Returns:
            The colours of the places in the frame before and in the frame after; frames that are wholly visible as
            they came.
        """
        hidden = (visible.amin((1, 3, 4)) < 0.5).flatten()
        if not hidden.any():
            return found
        before, after, share = (_flat(values)[hidden] for values in (found.before, found.after, found.share))
        weight = self._weights(before, after, share)
        places = self._places(share, STEP)
        return Neighbours(
            _replaced(found.before, hidden, _weighted(before, places[0], weight)),
            _replaced(found.after, hidden, _weighted(after, places[1], weight)),
            found.share,
        )

    def _weights(self, before: Frames, after: Frames, share: Frames) -> Float[Tensor, "image way height width"]:
        """Of each way, at full size; they sum to one."""
        before, after, share = (functional.avg_pool2d(values, STEP) for values in (before, after, share))
        precision = next(self.judge.parameters()).dtype
        scale = self.judge(torch.cat((before, after, share), 1).to(precision)).float().exp()
        with torch.no_grad():
            ends = (
                functional.embedding(places, _rows(side))
                for side, places in zip((before, after), self._places(share, 1), strict=True)
            )
            apart = torch.sub(*ends).abs().mean(-1).permute(0, 3, 1, 2)
            square = self.line.square().to(apart.dtype)
            length = (square[:, None] + square).flatten()
        score = -scale[:, -1:] * length[:, None, None]
        for number, side in enumerate(WINDOWS):
            # Sums of windows are cheap: borders count what is there.
            mean = functional.avg_pool2d(apart, side, 1, side // 2, count_include_pad=False)
            score = score - scale[:, number, None] * mean
        return functional.interpolate(score.softmax(1), scale_factor=STEP, mode="bilinear", align_corners=False)

    def _places(self, share: Frames, step: int) -> tuple[Places, Places]:
        """Where each way through a pixel begins and ends, as numbers of rows of `_rows`; inside the frame.

        Args:
            share: Of the way that lies before the pixel, (image, 1, height, width).
            step: Pixels of one unit of a way.
        """
        count, _, height, width = share.shape
        way = (self.line * step).view(1, -1, 1, 1)
        # A pixel may lie half of one beside the way; the way itself is as long as it says.
        back = (share * way).round().int()
        rows = torch.arange(height, device=share.device, dtype=torch.int32)[:, None] - back
        columns = torch.arange(width, device=share.device, dtype=torch.int32) - back
        first = torch.arange(count, device=share.device, dtype=torch.int32).view(-1, 1, 1, 1) * (height * width)
        places = []
        for moved in (0, way):
            row = (rows + moved).clamp(0, height - 1) * width + first
            column = (columns + moved).clamp(0, width - 1)
            pairs = row.permute(0, 2, 3, 1)[..., None] + column.permute(0, 2, 3, 1)[..., None, :]
            places.append(pairs.flatten(3))
        return places[0], places[1]


def _flat(values: Clip) -> Frames:
    return values.transpose(1, 2).flatten(0, 1)


def _replaced(clip: Clip, chosen: Bool[Tensor, " all"], frames: Float[Tensor, "chosen _ height width"]) -> Clip:
    """The clip with some frames of the batch exchanged."""
    whole = _flat(clip).clone()
    whole[chosen] = frames
    return whole.unflatten(0, (len(clip), clip.shape[2])).transpose(1, 2)


def _rows(frames: Frames) -> Float[Tensor, "row channel"]:
    """Pixel by pixel, frame after frame."""
    return frames.permute(0, 2, 3, 1).flatten(0, 2)


def _weighted(frames: Frames, places: Places, weight: Float[Tensor, "image way height width"]) -> Frames:
    """The mean of the colours at these places, as a sum over bags of rows: it holds no candidate in memory."""
    shares = weight.permute(0, 2, 3, 1).flatten(0, 2)
    made = functional.embedding_bag(places.flatten(0, 2), _rows(frames), per_sample_weights=shares, mode="sum")
    return made.view(len(frames), *frames.shape[2:], -1).permute(0, 3, 1, 2)
