"""One conversion between the pixels that a codec stores and RGB, with matrix and range always explicit.

Pixels of 8 bits in limited range, nearly all video, go through swscale, whose error there is below 0.57 of a
level in each direction. Elsewhere swscale is not exact enough: up to 1.1 levels of chroma in 8-bit full
range, and about four 10-bit levels of luma through its 16-bit RGB. There only chroma is resampled by swscale,
and the matrix is applied here in float32. Grey swscale takes for full range, whatever it is told: its levels are
scaled here too.
"""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
from av.video.frame import VideoFrame

from midframe.core.errors import MediaError

LIMITED, FULL = 1, 2
UNSPECIFIED = 2
RGB_MATRIX = 0

# ITU-T H.273 code -> (name, red weight, blue weight of luma)
MATRICES: dict[int, tuple[str, float, float]] = {
    1: ("BT.709", 0.2126, 0.0722),
    4: ("FCC", 0.30, 0.11),
    5: ("BT.601", 0.299, 0.114),
    6: ("BT.601", 0.299, 0.114),
    7: ("SMPTE 240M", 0.212, 0.087),
    9: ("BT.2020", 0.2627, 0.0593),
}
HD_LINES = 720
TRANSFERS = {16: "PQ", 18: "HLG"}
"""Transfers of high dynamic range, by the names that people know."""
USUAL_PRIMARIES = (1, UNSPECIFIED, 5, 6, 7)
"""Those of HD and of SD, which hardly differ; who is told none takes the pixels for one of them."""
WIDE_PRIMARIES = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
# SWS_BICUBIC | SWS_FULL_CHR_H_INT | SWS_ACCURATE_RND
RESAMPLING = 0x4 | 0x2000 | 0x40000


@dataclass(frozen=True)
class Colour:
    """How stored pixels are to be read as colours. Codes are those of ITU-T H.273.

    Attributes:
        matrix: Luma and chroma matrix; never unspecified.
        range: `LIMITED` or `FULL`.
        primaries: 2 where the source does not say.
        transfer: 2 where the source does not say.
        matrix_is_assumed: The source does not state its matrix, and the usual rule was applied.
    """

    matrix: int
    range: int
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    matrix_is_assumed: bool = False

    def sentence(self) -> str:
        """What was read and what was assumed, for a person."""
        stated = f"{MATRICES[self.matrix][0]}, {'full' if self.range == FULL else 'limited'} range"
        if self.transfer in TRANSFERS:
            stated += f", {TRANSFERS[self.transfer]}"
        if self.matrix_is_assumed:
            return f"{stated} (matrix not stated; BT.601 below {HD_LINES} lines, BT.709 from there up)"
        return f"{stated} (as stated)"

    def unusual(self) -> str:
        """What is shown wrong where it goes unsaid: a transfer of high dynamic range, primaries of a wide gamut."""
        parts = [TRANSFERS[self.transfer]] if self.transfer in TRANSFERS else []
        if self.primaries not in USUAL_PRIMARIES:
            parts.append(WIDE_PRIMARIES.get(self.primaries, f"of primaries {self.primaries} of ITU-T H.273"))
        return " ".join(parts)


def resolve_colour(
    matrix: int, colour_range: int, primaries: int, transfer: int, pixel_format: str, height: int
) -> Colour:
    """Complete what a source states with the usual rule for what it leaves open.

    Raises:
        MediaError: A matrix that is not a weighting of red, green and blue (YCgCo, ICtCp, constant
            luminance).
    """
    # Grey without a matrix is marked like RGB by some.
    assumed = matrix == UNSPECIFIED or is_rgb(pixel_format) or (is_grey(pixel_format) and matrix == RGB_MATRIX)
    if assumed:
        matrix = 1 if height >= HD_LINES else 6
    if matrix not in MATRICES:
        raise MediaError(f"The video uses colour matrix {matrix} of ITU-T H.273, which midframe cannot convert.")
    if colour_range not in (LIMITED, FULL) or is_rgb(pixel_format):
        # FFmpeg's own rule: grey is of full range where nothing is stated.
        colour_range = FULL if pixel_format.startswith("yuvj") or is_grey(pixel_format) else LIMITED
    return Colour(matrix, colour_range, primaries, transfer, assumed)


def is_rgb(pixel_format: str) -> bool:
    """Whether pixels are stored as red, green and blue, a palette of them included."""
    return av.VideoFormat(pixel_format).is_rgb or pixel_format == "pal8"


def is_grey(pixel_format: str) -> bool:
    """Whether pixels have lightness alone, and perhaps transparency."""
    components = av.VideoFormat(pixel_format).components
    return not is_rgb(pixel_format) and sum(not component.is_alpha for component in components) == 1


def stored_codes(pixel_format: str, colour: Colour) -> tuple[int, int]:
    """Matrix and range that describe pixels of a format: RGB has no matrix, and its full range."""
    return (RGB_MATRIX, FULL) if is_rgb(pixel_format) else (colour.matrix, colour.range)


def bit_depth(pixel_format: str) -> int:
    """Bits of the widest component."""
    if pixel_format == "pal8":
        return 8
    return max(component.bits for component in av.VideoFormat(pixel_format).components)


def has_alpha(pixel_format: str) -> bool:
    """Whether pixels carry transparency."""
    return any(component.is_alpha for component in av.VideoFormat(pixel_format).components)


def to_rgb(frame: VideoFrame, colour: Colour) -> np.ndarray:
    """Decode a frame's colours.

    Returns:
        (height, width, 3): uint8 for sources of up to 8 bits, uint16 with white at 65535 for deeper ones.
    """
    depth = bit_depth(frame.format.name)
    if is_rgb(frame.format.name):
        return frame.to_ndarray(format="rgb24" if depth <= 8 else "rgb48le")
    if is_grey(frame.format.name):
        depth = _grey_depth(depth)
        matrix, offset = _stored_to_rgb(colour, depth)
        luma = plane_values(_resample(frame, _grey_format(depth), colour), 0, depth).astype(np.float32)
        return np.repeat(_to_levels((luma - offset[0]) * matrix[0, 0], depth)[..., None], 3, axis=-1)
    if depth == 8 and colour.range == LIMITED:
        return frame.reformat(
            format="rgb24",
            src_colorspace=_swscale_matrix(colour),
            dst_colorspace=_swscale_matrix(colour),
            src_color_range=LIMITED,
            dst_color_range=FULL,
            interpolation=RESAMPLING,
        ).to_ndarray()
    full_chroma = _resample(frame, _full_chroma_format(depth), colour)
    stored = np.stack([plane_values(full_chroma, index, depth) for index in range(3)], axis=-1).astype(np.float32)
    matrix, offset = _stored_to_rgb(colour, depth)
    return _to_levels((stored - offset) @ matrix.T, depth)


def from_rgb(pixels: np.ndarray, pixel_format: str, colour: Colour) -> VideoFrame:
    """Encode RGB pixels, as `to_rgb` returns them, in the given pixel format. The inverse of `to_rgb`."""
    depth = bit_depth(pixel_format)
    source_format = "rgb24" if pixels.dtype == np.uint8 else "rgb48le"
    if is_rgb(pixel_format):
        return VideoFrame.from_ndarray(pixels, format=source_format).reformat(format=pixel_format)
    grey = is_grey(pixel_format)
    if depth == 8 and pixels.dtype == np.uint8 and colour.range == LIMITED and not grey:
        return VideoFrame.from_ndarray(pixels, format=source_format).reformat(
            format=pixel_format,
            src_colorspace=_swscale_matrix(colour),
            dst_colorspace=_swscale_matrix(colour),
            src_color_range=FULL,
            dst_color_range=LIMITED,
            interpolation=RESAMPLING,
        )
    height, width = pixels.shape[:2]
    depth = _grey_depth(depth) if grey else depth
    matrix, offset = _stored_to_rgb(colour, depth)
    white = 255 if pixels.dtype == np.uint8 else 65535
    stored = pixels.astype(np.float32) @ (np.linalg.inv(matrix).T / white).astype(np.float32) + offset
    stored = np.rint(np.clip(stored, 0, 2**depth - 1)).astype(np.uint8 if depth == 8 else np.uint16)
    full_chroma = VideoFrame(width, height, _grey_format(depth) if grey else _full_chroma_format(depth))
    for index in range(1 if grey else 3):
        plane_values(full_chroma, index, depth)[:] = stored[..., index]
    return _resample(full_chroma, pixel_format, colour)


def _swscale_matrix(colour: Colour) -> int:
    return 5 if colour.matrix == 6 else colour.matrix


def _full_chroma_format(depth: int) -> str:
    return "yuv444p" if depth == 8 else f"yuv444p{depth}le"


def _grey_format(depth: int) -> str:
    return "gray" if depth == 8 else f"gray{depth}le"


def _grey_depth(depth: int) -> int:
    """Bits of the whole numbers in which grey is converted: formats of one bit and of floats are brought to them."""
    return min(max(depth, 8), 16)


def _to_levels(values: np.ndarray, depth: int) -> np.ndarray:
    """Values in [0, 1] as the levels that `to_rgb` returns for a source of some bits."""
    white = 255 if depth == 8 else 65535
    return np.rint(np.clip(values * np.float32(white), 0, white)).astype(np.uint8 if depth == 8 else np.uint16)


def _resample(frame: VideoFrame, pixel_format: str, colour: Colour) -> VideoFrame:
    """Change the resolution of chroma and leave luma and range as they are."""
    matrix = _swscale_matrix(colour)
    return frame.reformat(
        format=pixel_format,
        src_colorspace=matrix,
        dst_colorspace=matrix,
        src_color_range=colour.range,
        dst_color_range=colour.range,
        interpolation=RESAMPLING,
    )


def plane_values(frame: VideoFrame, index: int, depth: int) -> np.ndarray:
    """A writable view of one full-size plane, without the padding of its lines."""
    plane = frame.planes[index]
    values = np.frombuffer(memoryview(plane), np.uint8 if depth == 8 else np.uint16)
    return values.reshape(plane.height, -1)[:, : plane.width]


def _stored_to_rgb(colour: Colour, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """Matrix and offset of RGB = matrix (stored - offset), with RGB in [0, 1] (ITU-T H.273, section 8.3)."""
    _, red, blue = MATRICES[colour.matrix]
    green = 1 - red - blue
    step = 2 ** (depth - 8)
    luma, chroma = (219 * step, 224 * step) if colour.range == LIMITED else (2**depth - 1, 2**depth - 1)
    from_blue, from_red = 2 * (1 - blue), 2 * (1 - red)
    matrix = np.array(
        [
            [1, 0, from_red],
            [1, -blue * from_blue / green, -red * from_red / green],
            [1, from_blue, 0],
        ]
    ) / np.array([luma, chroma, chroma])
    offset = np.array([16 * step if colour.range == LIMITED else 0, 128 * step, 128 * step])
    return matrix.astype(np.float32), offset.astype(np.float32)
