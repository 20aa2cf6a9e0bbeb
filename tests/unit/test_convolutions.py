import pytest
import torch

from midframe.nn.convolutions import Block, Encoder, ResidualConvolution, cast_and_join

ROUNDING = 1e-5  # float32, of sums of a few hundred products

ORDERS = (torch.contiguous_format, torch.channels_last)


@pytest.mark.parametrize("order", ORDERS)
def test_a_residual_convolution_says_the_same_with_and_without_gradients(order: torch.memory_format):
    torch.manual_seed(0)
    layer = ResidualConvolution(6).to(memory_format=order)  # pyright: ignore[reportCallIssue]
    torch.nn.init.normal_(layer.beta)
    features = torch.randn(2, 6, 5, 7).to(memory_format=order)
    before = features.clone()
    with torch.no_grad():
        without = layer(features)
    assert torch.allclose(without, layer(features), atol=ROUNDING)
    assert torch.equal(features, before)


def test_features_at_half_the_size_are_left_as_they_were_by_those_at_a_quarter():
    torch.manual_seed(0)
    encoder, image = Encoder((4, 6, 8)), torch.rand(1, 3, 16, 24)
    with torch.no_grad():
        half, quarter, _ = encoder(image)
        assert torch.equal(half, encoder.to_half(image))
        assert torch.equal(quarter, encoder.to_quarter(half))


def test_a_block_leaves_its_input_as_it_was():
    torch.manual_seed(0)
    x = torch.randn(1, 5, 6, 8)
    before = x.clone()
    with torch.no_grad():
        Block(5, 8, 2, 3)(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_parts_of_any_order_and_format_are_joined_channels_last(dtype: torch.dtype):
    generator = torch.Generator().manual_seed(0)
    parts = (
        torch.randn(2, 3, 4, 6, generator=generator),
        torch.rand(2, 1, 1, 1, generator=generator).expand(-1, -1, 4, 6),
        torch.randn(2, 5, 4, 6, generator=generator).to(torch.bfloat16, memory_format=torch.channels_last),
    )
    joined = cast_and_join(parts, dtype)
    assert joined.dtype == dtype
    assert joined.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(joined, torch.cat([part.to(dtype) for part in parts], dim=1))
