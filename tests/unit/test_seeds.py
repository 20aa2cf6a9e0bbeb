"""Draws that depend on every one of their numbers."""

from __future__ import annotations

import torch

from midframe.core.seeds import draws_of


def drawn(*numbers: int) -> list[float]:
    return torch.rand(4, generator=draws_of(*numbers)).tolist()


def test_equal_numbers_give_equal_draws_and_any_other_number_gives_others():
    told = [(1, 5), (2, 5), (1, 6), (5, 1), (1 + 2**32, 5), (1, 5, 0), (1, 5, 1)]
    found = [drawn(*numbers) for numbers in told]
    assert found == [drawn(*numbers) for numbers in told]
    assert len({tuple(values) for values in found}) == len(told)
