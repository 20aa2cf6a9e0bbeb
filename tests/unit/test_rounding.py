import torch

from midframe.ops.rounding import bytes_to_unit, round_to_bytes


def test_bytes_survive_the_way_to_unit_range_and_back():
    every_byte = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(round_to_bytes(bytes_to_unit(every_byte)), every_byte)


def test_the_mean_of_two_bytes_is_rounded_half_to_even():
    every_byte = torch.arange(256, dtype=torch.uint8)
    one, other = every_byte[:, None], every_byte[None, :]
    exact = torch.round((one.double() + other.double()) / 2).to(torch.uint8)
    assert torch.equal(round_to_bytes((bytes_to_unit(one) + bytes_to_unit(other)) / 2), exact)


def test_values_outside_are_clamped():
    assert round_to_bytes(torch.tensor([-0.3, 1.2])).tolist() == [0, 255]
