import pytest
import torch
import torch.nn.functional as functional

from midframe.core.errors import ShapeError
from midframe.ops import correlation as correlation_module
from midframe.ops.correlation import local_correlation, symmetric_correlation

ROUNDING = 1e-6  # float32, of cosines

CORRELATIONS = {local_correlation: (0, 1), symmetric_correlation: (-1, 1)}
"""With the factors of the offset at which each looks at its two maps."""


def plainly(correlation, first: torch.Tensor, second: torch.Tensor, radius: int) -> torch.Tensor:
    """The definition: normalise, pad with zeros, multiply, sum."""
    height, width = first.shape[-2:]
    first, second = (functional.pad(functional.normalize(x, eps=1e-4), (radius,) * 4) for x in (first, second))

    def shifted(padded: torch.Tensor, down: int, right: int) -> torch.Tensor:
        top, left = radius + down, radius + right
        return padded[..., top : top + height, left : left + width]

    one, other = CORRELATIONS[correlation]
    span = range(-radius, radius + 1)
    pairs = [((one * i, one * j), (other * i, other * j)) for i in span for j in span]
    return torch.stack([(shifted(first, *here) * shifted(second, *there)).sum(1) for here, there in pairs], dim=1)


def test_the_peak_names_half_the_motion():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(1, 16, 24, 24, generator=generator)
    # Seen from the middle: 1 right and 2 down on either side, so that the whole motion is (2, 4).
    before = torch.roll(features, (-2, -1), (2, 3))
    after = torch.roll(features, (2, 1), (2, 3))
    volume = symmetric_correlation(before, after, 3)
    inside = volume[0, :, 6:-6, 6:-6]
    row, column = 2, 1
    expected = (row + 3) * 7 + (column + 3)
    assert (inside.argmax(0) == expected).all()
    assert torch.allclose(inside[expected], torch.ones_like(inside[expected]), atol=1e-5)


def test_equal_maps_correlate_fully_at_no_offset():
    features = torch.randn(2, 8, 5, 7)
    volume = symmetric_correlation(features, features, 1)
    assert volume.shape == (2, 9, 5, 7)
    assert torch.allclose(volume[:, 4], torch.ones(2, 5, 7), atol=1e-5)


def test_the_peak_of_the_local_correlation_names_the_motion():
    features = torch.randn(1, 16, 24, 24, generator=torch.Generator().manual_seed(0))
    moved = torch.roll(features, (-2, 1), (2, 3))  # 1 right and 2 up
    volume = local_correlation(features, moved, 3)[0, :, 6:-6, 6:-6]
    row, column = -2, 1
    expected = (row + 3) * 7 + (column + 3)
    assert (volume.argmax(0) == expected).all()
    assert torch.allclose(volume[expected], torch.ones_like(volume[expected]), atol=1e-5)


def test_the_local_correlation_is_a_cosine_and_zero_outside_the_map():
    features = torch.randn(2, 8, 5, 7, generator=torch.Generator().manual_seed(0))
    volume = local_correlation(features, -3 * features, 1)
    assert torch.allclose(volume[:, 4], -torch.ones(2, 5, 7), atol=1e-5)
    assert not volume[:, 0:3, 0].any()  # the row above the first


@pytest.mark.parametrize("correlation", CORRELATIONS)
@pytest.mark.parametrize("size", [(11, 7), (1, 5), (3, 2), (2, 9)])
@pytest.mark.parametrize("rows", [1, 2, 3, 50])
def test_strips_of_any_height_give_what_the_definition_says(
    correlation, size: tuple[int, int], rows: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(correlation_module, "STRIP_NUMBERS", rows * 2 * 25 * size[1] // torch.get_num_threads())
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(2, 6, *size, generator=generator) for _ in range(2))
    expected = plainly(correlation, first, second, 2)
    assert torch.allclose(correlation(first, second, 2), expected, atol=ROUNDING)
    last = torch.channels_last
    in_other_order = correlation(first.to(memory_format=last), second.to(memory_format=last), 2)
    assert torch.allclose(in_other_order, expected, atol=ROUNDING)


@pytest.mark.parametrize("correlation", CORRELATIONS)
def test_gradients_are_those_of_the_definition(correlation, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(correlation_module, "STRIP_NUMBERS", 2 * 2 * 9 * 6 // torch.get_num_threads())
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(2, 4, 5, 6, dtype=torch.double, generator=generator) for _ in range(2))
    first[0, :, 2, 3] = 0  # as where a colour is that no filter answers to
    second[1, :, 4, 0] *= 1e-6  # shorter than what still counts
    inputs = (first.requires_grad_(), second.requires_grad_())
    weight = torch.randn(2, 9, 5, 6, dtype=torch.double, generator=generator)
    expected = torch.autograd.grad((plainly(correlation, *inputs, 1) * weight).sum(), inputs)
    found = torch.autograd.grad((correlation(*inputs, 1) * weight).sum(), inputs)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other)


def test_a_strip_of_the_maps_is_copied_at_a_time(monkeypatch: pytest.MonkeyPatch):
    rows, width, offsets, reach = 4, 128, 9, 2
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr(correlation_module, "STRIP_NUMBERS", rows * offsets * width)
    held = []

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            if func is torch.nn.functional.pad:
                held.append(result.shape)
            return result

    with Watch():
        symmetric_correlation(torch.rand(1, 16, 50, width), torch.rand(1, 16, 50, width), 1)
    assert len(held) == 13
    assert max(shape[-2] for shape in held) == rows + 2 * reach


@pytest.mark.usefixtures("without_shape_checks")
@pytest.mark.parametrize("correlation", CORRELATIONS)
def test_maps_of_two_shapes_are_refused(correlation):
    with pytest.raises(ShapeError, match=r"maps differ: \(1, 4, 5, 6\) and \(1, 4, 5, 1\)"):
        correlation(torch.rand(1, 4, 5, 6), torch.rand(1, 4, 5, 1), 1)
