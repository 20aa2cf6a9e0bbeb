"""Scene cuts, found while the video streams by."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
from scenedetect import FrameTimecode
from scenedetect.detectors import AdaptiveDetector

from midframe.video.read import TimedFrame

LOOK_AHEAD = 2
"""Frames that must be seen after a frame before it is known whether it opens a scene."""
ANALYSIS_WIDTH = 256
RETURN_RATIO = 0.5
FADE_RATIO = 0.5
"""Of a step's own size: how far the next or last step of a fade may differ from it."""
LIGHT_RATIO = 0.3
"""Of the change: what a gain and an offset may leave of it where only the light has changed."""
LIKENESS = 0.7
"""Smallest correlation of one picture under two lights."""
LIGHT_BLOCK = 4
CLIPPED, FLAT_LEVELS = 250, 3


def mark_cuts(frames: Iterable[TimedFrame]) -> Iterator[tuple[TimedFrame, bool]]:
    """Say of each frame whether it is the first of a new scene; the first frame of all is not.

    PySceneDetect's adaptive detector proposes a cut where a frame differs from its predecessor three times as
    much as its neighbours do from theirs, so a fast pan is no cut. A proposal is dropped where the change is no cut:
    a flash (the old picture comes back within `LOOK_AHEAD` frames, or is there, under other light), or a step of a
    fade or dissolve (the change goes on as evenly before or after it). Memory: `LOOK_AHEAD` frames.
    """
    finder = _CutFinder()
    waiting: deque[TimedFrame] = deque()
    for frame in frames:
        waiting.append(frame)
        finder.add(frame.pixels)
        if len(waiting) > LOOK_AHEAD:
            yield waiting.popleft(), finder.is_cut()
    while waiting:
        finder.repeat_last()
        yield waiting.popleft(), finder.is_cut()


class _CutFinder:
    """Feeds the detector, whose verdict on a frame comes `LOOK_AHEAD` frames later.

    The detector needs as many frames before the one it judges: the first and the last frame are fed
    repeatedly.
    """

    def __init__(self) -> None:
        self._detector = AdaptiveDetector(window_width=LOOK_AHEAD, min_scene_len=1)
        self._recent: deque[np.ndarray] = deque(maxlen=2 * LOOK_AHEAD + 2)
        self._fed = 0
        self._proposed = False

    def add(self, pixels: np.ndarray) -> None:
        step = max(1, pixels.shape[1] // ANALYSIS_WIDTH)
        small = pixels[::step, ::step]
        small = small if small.dtype == np.uint8 else (small >> 8).astype(np.uint8)
        if small.shape[2] == 4:  # what is transparent is not seen
            small = (small[..., :3] * (small[..., 3:] / np.float32(255))).astype(np.uint8)
        small = np.ascontiguousarray(small[..., ::-1])  # blue first
        for _ in range(1 if self._fed else 1 + LOOK_AHEAD):
            self._feed(small)

    def repeat_last(self) -> None:
        self._feed(self._recent[-1])

    def is_cut(self) -> bool:
        """Whether the frame `LOOK_AHEAD` before the newest opens a scene."""
        if not self._proposed:
            return False
        return not (self._old_picture_returns() or self._is_step_of_fade() or self._only_light_changes())

    def _feed(self, small: np.ndarray) -> None:
        self._recent.append(small)
        self._proposed = bool(self._detector.process_frame(FrameTimecode(self._fed, fps=25.0), small))
        self._fed += 1

    def _old_picture_returns(self) -> bool:
        """Whether a frame shortly before the change is like one at or shortly after it."""
        frames = list(self._recent)
        opening = len(frames) - 1 - LOOK_AHEAD
        change = _difference(frames[opening - 1], frames[opening])
        pairs = [(opening - 1, opening + k) for k in range(1, LOOK_AHEAD + 1)]
        pairs += [(opening - 1 - k, opening) for k in range(1, LOOK_AHEAD + 1)]
        return any(_difference(frames[a], frames[b]) < RETURN_RATIO * change for a, b in pairs if a >= 0)

    def _is_step_of_fade(self) -> bool:
        """Whether the step before, or the one after, changes every pixel by about as much, in the same direction.

        The detector looks at hue and saturation too, which jump where a fade ends in black.
        """
        *_, earlier, before, opening, later, _ = (_blocks(frame) for frame in self._recent)
        step = opening - before
        change = np.abs(step).mean()
        return any(np.abs(step - other).mean() < FADE_RATIO * change for other in (before - earlier, later - opening))

    def _only_light_changes(self) -> bool:
        """Whether a gain and an offset make the new picture of the old one."""
        before, opening = (_blocks(self._recent[-2 - LOOK_AHEAD + k]) for k in (0, 1))
        seen = (opening < CLIPPED) & (before < CLIPPED)
        before, opening = before[seen], opening[seen]
        if not before.size or min(before.std(), opening.std()) < FLAT_LEVELS:
            return False
        common = ((before - before.mean()) * (opening - opening.mean())).mean()
        if common < LIKENESS * before.std() * opening.std():
            return False
        left = np.abs(opening - opening.mean() - common / before.var() * (before - before.mean())).mean()
        return bool(left < LIGHT_RATIO * np.abs(opening - before).mean())


def _blocks(pixels: np.ndarray) -> np.ndarray:
    """Means of small squares: motion of a few pixels changes them little."""
    side = LIGHT_BLOCK
    height, width = (length - length % side for length in pixels.shape[:2])
    cut = pixels[:height, :width].astype(np.float32)
    return cut.reshape(height // side, side, width // side, side, -1).mean(axis=(1, 3))


def _difference(left: np.ndarray, right: np.ndarray) -> float:
    """Mean absolute difference in levels of 255."""
    return float(np.abs(left.astype(np.int16) - right).mean())
