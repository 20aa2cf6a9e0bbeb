import torch

from midframe.ops.correlation import symmetric_correlation


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
