from itertools import pairwise

import pytest
import torch

from midframe.ops import rows as rows_module
from midframe.ops.flow import resize_flow
from midframe.ops.rows import by_rows, doubled_flow, rows_behind, strips


@pytest.mark.parametrize(("batch", "height", "width"), [(1, 7, 5), (2, 64, 40), (1, 3, 1000)])
def test_strips_cover_a_picture_in_order_and_begin_at_even_rows(batch, height, width, monkeypatch):
    monkeypatch.setattr(rows_module, "STRIP_PIXELS", 500)
    found = list(strips(torch.zeros(batch, 3, height, width)))
    assert found[0].start == 0
    assert found[-1].stop == height
    assert all(one.stop == other.start and other.start % 2 == 0 for one, other in pairwise(found))
    assert all(batch * width * (rows.stop - rows.start) <= max(500, 2 * batch * width) for rows in found)


def test_what_is_made_by_rows_is_what_is_made_at_once(monkeypatch):
    monkeypatch.setattr(rows_module, "STRIP_PIXELS", 60)
    picture = torch.rand(2, 3, 18, 10)
    calls: list[slice] = []

    def make(rows: slice) -> torch.Tensor:
        calls.append(rows)
        return picture[..., rows, :].square()

    with torch.no_grad():
        assert torch.equal(by_rows(make, picture), picture.square())
    assert len(calls) > 3
    calls.clear()
    picture.requires_grad_()
    by_rows(make, picture).sum().backward()
    assert calls == [slice(0, 18)]
    assert picture.grad is not None


def test_rows_of_a_flow_at_twice_its_size_are_those_of_the_whole():
    flow = torch.randn(1, 4, 9, 6)
    whole = resize_flow(flow, (18, 12))
    for rows in (slice(0, 4), slice(4, 10), slice(7, 8), slice(10, 18), slice(0, 18)):
        there = rows_behind(rows, 9)
        assert torch.equal(doubled_flow(flow[..., there, :], there, rows), whole[..., rows, :])
