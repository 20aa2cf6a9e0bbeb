"""What a call takes, by a model whose constants were measured.

Measured on a CPU in float32, as growth of a process from a frame of 64 x 64 to one of 768 x 768: with 32 channels at
full size 800 bytes for each pixel (with 64: 1,720), with an image-to-event network of 32 channels 1,750, with kernels
of 5 x 5 as the decoder's head 2,160. The constants are those, rounded up. A head of pixels takes 7 % more than a
plain one, by the peak of tensors while 512 x 512 are decoded, which the rounding covers. With RIFE's motion the
shipped network took 1,030 (and 810 in bfloat16).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from midframe.core.work_size import WorkSize
from midframe.methods.madiff.config import MadiffConfig
from midframe.methods.madiff.parts import MARGIN

TILES = (2**20, 2**19, 2**18, 2**17, 2**16)
"""Pixels of a part, the fastest first: overlaps cost the more, the smaller it is."""
DECODE = 32
"""Bytes for each pixel of a part and each channel of the decoder at full size."""
EVENTS = 60
"""Bytes for each pixel of a part and each channel of the image-to-event network at full size."""
MOTION = 600
"""Bytes for each pixel of a part, where RIFE says how it moves: 500 of its network (`rife/memory.py`), and hints."""
SIMULATOR = 640
"""Bytes for each pixel of a part, where events are computed."""
KERNELS = 56
"""Further bytes for each pixel of a part and each tap of a kernel."""
FRAMES = 160
"""Bytes for each pixel of the frame: both neighbours as they come, padded, and the frame that parts are mixed in."""


def work_sizes(config: MadiffConfig, parameter_bytes: int, height: int, width: int) -> Sequence[WorkSize]:
    """What can be done for a frame of a size: whole, then in parts.

    Args:
        config: All architectures.
        parameter_bytes: Of all weights.
        height: Of the frame, in pixels.
        width: Of the frame.
    """
    multiple = config.size_multiple
    pixels = math.prod(-(-side // multiple) * multiple for side in (height, width))
    whole = parameter_bytes + (FRAMES + _kept(config)) * pixels
    # What lies where parts overlap is kept twice, in a corner four times.
    doubled = (1 / (1 - 1 / MARGIN)) ** 2
    parted = parameter_bytes + int((FRAMES + _kept(config) * doubled) * pixels)
    sizes = [WorkSize(words="whole frames", seamless=False, size_bytes=whole + _worked(config) * pixels)]
    for tile in TILES:
        worked = _worked(config) * max(tile, multiple**2)
        words = f"overlapping parts of {tile / 1e6:.2f} million pixels"
        size = WorkSize(tile_pixels=tile, words=words, seamless=False, size_bytes=parted + worked)
        if multiple**2 <= tile < pixels and size.size_bytes < sizes[-1].size_bytes:
            sizes.append(size)
    return sizes


def _worked(config: MadiffConfig) -> int:
    """Bytes for each pixel of a part while it is decoded, or its hints are extracted."""
    decode = DECODE * config.codec.base_width
    if config.codec.head == "kernels":
        decode += KERNELS * config.codec.kernel_size**2
    told = {"events": EVENTS * config.hints.width, "simulator": SIMULATOR, "flow": MOTION}[config.hints.kind]
    return max(decode, told)


def _kept(config: MadiffConfig) -> int:
    """Bytes for each pixel of what is kept from step to step: both pyramids, and both hints.

    Motion is kept at full size, anything else at half of it.
    """
    pyramid = sum(width / 4 ** (level + 1) for level, width in enumerate(config.codec.widths))
    hints = config.codec.hint_channels / (1 if config.hints.kind == "flow" else 4)
    return math.ceil(2 * 4 * (pyramid + hints))
