from fractions import Fraction

import torch

from midframe.methods.baseline import BlendInterpolator, NearestInterpolator


def gap(before: float, after: float) -> torch.Tensor:
    return torch.tensor([before, after])[None, :, None, None, None].expand(1, 2, 3, 4, 6)


def test_blend_weighs_by_distance_in_time():
    blended = BlendInterpolator().interpolate(gap(0.2, 1.0), [Fraction(1, 4), Fraction(1, 2), Fraction(3, 4)])
    assert torch.allclose(blended[0, :, 0, 0, 0], torch.tensor([0.4, 0.6, 0.8]))


def test_nearest_repeats_the_closer_frame_and_the_earlier_one_in_the_middle():
    times = [Fraction(49, 100), Fraction(1, 2), Fraction(51, 100)]
    repeated = NearestInterpolator().interpolate(gap(0.25, 0.75), times)
    assert repeated[0, :, 0, 0, 0].tolist() == [0.25, 0.25, 0.75]
