"""What FFmpeg holds for a frame."""

import pytest

from midframe.video.buffers import stored_bytes


@pytest.mark.parametrize(
    ("pixel_format", "bytes_of_a_pixel"),
    [
        ("yuv420p", 1.5),
        ("yuv420p10le", 3),
        ("yuv444p", 3),
        ("rgb24", 3),
        ("nv12", 1.5),
        ("gray", 1),
        ("gbrap12le", 8),
    ],
)
def test_a_frame_takes_what_its_format_stores(pixel_format: str, bytes_of_a_pixel: float):
    assert stored_bytes(pixel_format, 640, 480) == 640 * 480 * bytes_of_a_pixel
