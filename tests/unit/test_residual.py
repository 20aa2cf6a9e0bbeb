"""The residual block that autoencoders and denoisers share."""

from __future__ import annotations

import pytest
import torch

from midframe.nn.residual import ResidualBlock, normalisation


@pytest.mark.parametrize(("width", "groups"), [(64, 32), (128, 32), (256, 32), (1024, 32), (32, 16), (24, 4), (8, 4)])
def test_published_widths_have_published_groups_and_none_is_a_single_channel(width: int, groups: int):
    assert normalisation(width).num_groups == groups


@pytest.mark.parametrize("width", [8, 32, 64])
def test_how_bright_a_map_is_survives_normalisation(width: int):
    # Two maps that differ by a constant for each channel, another one in each.
    draw = torch.Generator().manual_seed(0)
    first = torch.randn(1, width, 6, 6, generator=draw)
    second = first + 3 * torch.randn(1, width, 1, 1, generator=draw)
    one, other = (normalisation(width)(x).detach().mean((2, 3)) for x in (first, second))
    assert float((one - other).abs().mean()) > 0.3


@pytest.mark.parametrize("width", [8, 32, 64, 256])
def test_an_embedding_reaches_the_output(width: int):
    torch.manual_seed(0)
    block = ResidualBlock(width, width, embedded=16)
    x, (one, other) = torch.randn(1, width, 6, 6), torch.randn(2, 1, 16)
    change = (block(x, one) - x).detach().std()
    assert float((block(x, one) - block(x, other)).detach().abs().mean()) > 0.1 * float(change)


def test_a_block_that_starts_at_zero_is_the_identity():
    x = torch.randn(2, 8, 4, 6)
    assert torch.equal(ResidualBlock(8, 8, starts_at_zero=True)(x), x)
