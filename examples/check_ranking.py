"""Does `midframe check` rank methods as the truth does? Tried on clips whose true frames are known.

    python examples/check_ranking.py FOLDER [METHODS] [FRAMES]

Of each clip in the folder every second frame is taken away. What is left is a clip of half the rate, of which the
check leaves out every second frame again: that is the ranking it predicts. The frames that were taken away are the
truth for the same methods on the clip of half the rate as it stands. FRAMES are remade for either, evenly spread.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import fmean

import av
import numpy as np
import torch

import midframe
from midframe.engine import interpolate_pair
from midframe.evaluation.check import Candidate, as_tensor, check_clip
from midframe.evaluation.recommendation import UNSEEN_DECIBELS, standings
from midframe.metrics import psnr
from midframe.video import VideoReader, probe


@dataclass(frozen=True)
class Rankings:
    """Mean PSNR of each method on one clip of half the rate: as the check predicts it, and in truth."""

    predicted: Mapping[str, float]
    true: Mapping[str, float]

    def pairs(self) -> tuple[int, int]:
        """Pairs of methods that the truth tells apart by eye: those that both rank alike, and all of them."""
        apart = [
            (one, other)
            for one, other in itertools.combinations(self.true, 2)
            if abs(self.true[one] - self.true[other]) > UNSEEN_DECIBELS
        ]
        alike = sum(
            (self.true[one] > self.true[other]) == (self.predicted[one] > self.predicted[other])
            for one, other in apart
        )
        return alike, len(apart)

    @property
    def same_best(self) -> bool:
        return order(self.predicted)[0] == order(self.true)[0]


def main(folder: str, methods: str = "rife,blend,nearest", frames: str = "8") -> None:
    """Print a line for each clip, and how often prediction and truth agree."""
    candidates = [Candidate(name, midframe.load(name), torch.device("cpu")) for name in methods.split(",")]
    every = []
    for clip in sorted(Path(folder).glob("*.mp4")):
        found = rankings(clip, candidates, int(frames))
        every.append(found)
        print(f"{clip.name}: predicted {said(found.predicted)}; true {said(found.true)}", flush=True)
    alike, pairs = (sum(found.pairs()[part] for found in every) for part in (0, 1))
    best = sum(found.same_best for found in every)
    print(f"The best method is predicted on {best} of {len(every)} clips, the order of {alike} of {pairs} pairs.")


def rankings(clip: Path, candidates: Sequence[Candidate], frames: int) -> Rankings:
    """Predict the ranking from half the frames of a clip, and find the true one with the other half."""
    info = probe(clip)
    pictures = [frame.pixels for frame in VideoReader(info)]
    with tempfile.TemporaryDirectory() as folder:
        half = Path(folder) / "half.mkv"
        write_without_loss(half, pictures[::2], (info.average_rate or Fraction(25)) / 2)
        predicted = standings(check_clip(half, candidates, max_targets=frames))
    hidden = range(1, len(pictures) - 1, 2)
    chosen = [hidden[(2 * number + 1) * len(hidden) // (2 * frames)] for number in range(min(frames, len(hidden)))]
    true = {
        candidate.name: fmean(
            psnr(as_tensor(remade), as_tensor(pictures[index]))
            for index in chosen
            for remade in interpolate_pair(
                candidate.interpolator, pictures[index - 1], pictures[index + 1], [Fraction(1, 2)]
            )
        )
        for candidate in candidates
    }
    return Rankings({row.name: row.psnr for row in predicted}, true)


def write_without_loss(path: Path, pictures: Sequence[np.ndarray], rate: Fraction) -> None:
    """The very pixels as a clip."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264rgb", rate=rate, options={"qp": "0", "preset": "ultrafast"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "rgb24"
        for pixels in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def order(scores: Mapping[str, float]) -> list[str]:
    """Names, the highest score first."""
    return sorted(scores, key=lambda name: scores[name], reverse=True)


def said(scores: Mapping[str, float]) -> str:
    """A ranking in words."""
    return " > ".join(f"{name} {scores[name]:.2f}" for name in order(scores))


if __name__ == "__main__":
    main(*sys.argv[1:4])
