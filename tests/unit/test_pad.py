"""Padding by mirroring."""

from __future__ import annotations

import pytest
import torch

from midframe.ops.pad import reflect_to_multiple


@pytest.mark.parametrize(("height", "width"), [(5, 6), (9, 12), (8, 8), (7, 15)])
def test_short_padding_is_that_of_pytorch(height: int, width: int):
    frames = torch.rand(2, 3, height, width)
    bottom, right = -height % 4, -width % 4
    expected = torch.nn.functional.pad(frames, (0, right, 0, bottom), mode="reflect")
    assert torch.equal(reflect_to_multiple(frames, 4), expected)


def test_padding_longer_than_the_content_is_mirrored_again():
    line = torch.tensor([[1.0, 2.0, 3.0]])
    assert reflect_to_multiple(line, 8)[0].tolist() == [1, 2, 3, 2, 1, 2, 3, 2]
    assert reflect_to_multiple(line[:, :1], 3)[0].tolist() == [1, 1, 1]


def test_what_fits_is_handed_back():
    frames = torch.rand(3, 8, 16)
    assert reflect_to_multiple(frames, 8) is frames
