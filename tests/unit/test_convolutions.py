import pytest
import torch

from midframe.core.errors import ShapeError
from midframe.nn import convolutions
from midframe.nn.convolutions import SLOPE, Block, Encoder, ResidualConvolution

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
        assert torch.equal(half, encoder.halve(image))
        assert torch.equal(quarter, encoder.to_quarter(half))


def test_a_block_leaves_its_input_as_it_was():
    torch.manual_seed(0)
    x = torch.randn(1, 5, 6, 8)
    before = x.clone()
    with torch.no_grad():
        Block(5, 8, 2, 3)(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_block_joins_parts_of_any_order_and_format(dtype: torch.dtype):
    torch.manual_seed(0)
    block = Block(30, 8, 2, 3).to(dtype)
    torch.nn.init.normal_(block.leave.weight)
    parts = (
        torch.randn(2, 3, 4, 6),
        torch.rand(2, 1, 1, 1).expand(-1, -1, 4, 6),
        torch.randn(2, 20, 4, 6),  # not gathered with the others, which are few
        torch.randn(2, 6, 4, 6).to(torch.bfloat16, memory_format=torch.channels_last),
    )
    joined = torch.cat([part.to(dtype) for part in parts], dim=1)
    with torch.no_grad():
        expected = block.leave(block.body(torch.nn.functional.leaky_relu(block.enter(joined), SLOPE)))
        answer = block(*parts)
    assert answer.dtype == dtype
    assert answer.is_contiguous(memory_format=torch.channels_last)
    rounding = ROUNDING if dtype == torch.float32 else 0.01
    assert torch.allclose(answer, expected, atol=rounding * expected.abs().max().item())


@pytest.mark.parametrize("channels", [8, 10, 16, 25])
@pytest.mark.parametrize("gradients", [False, True])
def test_a_block_refuses_parts_that_it_has_no_weights_for(channels: int, gradients: bool):
    with torch.set_grad_enabled(gradients), pytest.raises(RuntimeError, match="channels"):
        Block(9, 8, 2, 3)(torch.zeros(1, channels, 4, 6))


@pytest.mark.parametrize("size", [(1, 20, 4, 6), (2, 20, 1, 6)])
def test_a_block_spreads_no_part_over_the_others(size: tuple[int, ...]):
    with torch.no_grad(), pytest.raises(ShapeError, match="parts differ"):
        Block(23, 8, 2, 3)(torch.zeros(2, 3, 4, 6), torch.zeros(size))


def test_a_residual_convolution_in_bfloat16_is_as_near_to_the_truth_as_one_step_after_the_other():
    torch.manual_seed(0)
    layer = ResidualConvolution(32)
    torch.nn.init.normal_(layer.beta, std=0.5)
    features = torch.randn(2, 32, 16, 16)
    truth = layer(features).detach()
    layer.bfloat16()
    small = features.bfloat16()
    with torch.no_grad():
        folded = layer(small)
    stepwise = layer(small).detach()
    assert (folded - truth).abs().mean() < 1.5 * (stepwise - truth).abs().mean()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_features_are_the_same_in_one_pass_and_in_two(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(0)
    encoder, image = Encoder((16, 6, 8)).to(dtype), torch.rand(2, 3, 16, 24)
    if convolutions.rectifying_convolution(image.to(dtype)) is None:
        pytest.skip(f"no convolution with an activation in {dtype} here")
    with torch.no_grad():
        in_one = encoder(image)
        monkeypatch.setattr(convolutions, "rectifying_convolution", lambda _: None)
        in_two = encoder(image)
    for one, two in zip(in_one, in_two, strict=True):
        assert torch.allclose(one, two, atol=ROUNDING if dtype == torch.float32 else 0.02)
