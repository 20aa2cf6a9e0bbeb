import pytest
import torch

from midframe.core.errors import ShapeError
from midframe.ops.correlation import local_correlation, symmetric_correlation


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


@pytest.mark.usefixtures("without_shape_checks")
@pytest.mark.parametrize("correlation", [local_correlation, symmetric_correlation])
def test_maps_of_two_shapes_are_refused(correlation):
    with pytest.raises(ShapeError, match=r"maps differ: \(1, 4, 5, 6\) and \(1, 4, 5, 1\)"):
        correlation(torch.rand(1, 4, 5, 6), torch.rand(1, 4, 5, 1), 1)
