"""Grouped attention: which tokens meet, and what that leaves unchanged."""

from __future__ import annotations

import pytest
import torch

from midframe.core.errors import ShapeError
from midframe.nn.attention import GroupedAttention, MaxVitBlock, join_groups, relative_index, split_groups

EXACT = 1e-5  # float32, sums in another order


def numbered(height: int, width: int) -> torch.Tensor:
    """Every pixel bears its row and its column."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack((rows, columns), -1)[None].float()


def test_a_window_holds_neighbours_and_a_grid_tokens_from_all_over_the_map():
    tokens = numbered(6, 9)
    windows, grids = split_groups(tokens, 3, "window"), split_groups(tokens, 3, "grid")
    assert windows.shape == grids.shape == (1, 6, 9, 2)
    for row in range(3):
        for column in range(3):
            # The second of two rows of groups, the third of three columns.
            assert windows[0, 5, 3 * row + column].tolist() == [3 + row, 6 + column]
            assert grids[0, 5, 3 * row + column].tolist() == [1 + row * 2, 2 + column * 3]


@pytest.mark.parametrize("grouping", ["window", "grid"])
def test_joining_undoes_splitting(grouping: str):
    tokens = torch.rand(2, 4, 8, 5)
    assert torch.equal(join_groups(split_groups(tokens, 2, grouping), (4, 8), 2, grouping), tokens)  # pyright: ignore[reportArgumentType]


def test_sides_that_are_no_multiple_of_the_window_are_refused():
    with pytest.raises(ShapeError, match="groups of 3x3 needs sides in its multiples; got 6x8"):
        split_groups(torch.rand(1, 6, 8, 4), 3, "window")
    with pytest.raises(ShapeError, match="differ in shape"):
        MaxVitBlock(8, 2, 2)(torch.rand(1, 8, 4, 4), torch.rand(1, 8, 4, 2))
    with pytest.raises(ShapeError, match="8 channels cannot be shared by 3 heads"):
        MaxVitBlock(8, 3, 2)


def test_equal_displacements_share_a_learned_value():
    index = relative_index(3)
    assert index.max() == 24
    assert index.min() == 0
    assert len(index.unique()) == 25
    assert len(set(index.diagonal().tolist())) == 1
    assert index[0, 1] == index[3, 4] == index[7, 8]
    assert index[0, 1] != index[1, 0]


@pytest.mark.parametrize("grouping", ["window", "grid"])
def test_tokens_of_other_groups_change_nothing(grouping: str):
    torch.manual_seed(0)
    attention = GroupedAttention(8, 2, 2, grouping).eval()  # pyright: ignore[reportArgumentType]
    tokens = torch.rand(1, 4, 4, 8)
    changed = tokens.clone()
    changed[0, 3, 3, 0] += 1
    moved = (attention(changed) - attention(tokens)).abs().amax(-1)[0] > EXACT
    group = {(2, 2), (2, 3), (3, 2), (3, 3)} if grouping == "window" else {(1, 1), (1, 3), (3, 1), (3, 3)}
    assert {tuple(place) for place in moved.nonzero().tolist()} == group


def test_attention_is_the_formula():
    torch.manual_seed(1)
    attention = GroupedAttention(6, 2, 2, "window").eval()
    tokens, context = torch.rand(1, 2, 2, 6), torch.rand(1, 2, 2, 6)
    flat, beside = attention.normalise(tokens).view(4, 6), attention.normalise(context).view(4, 6)
    query, key, value = attention.queries(flat), attention.keys(beside), attention.values(beside)
    heads = []
    for head in range(2):
        part = slice(3 * head, 3 * head + 3)
        position = attention.relative.weight[relative_index(2), head]
        share = torch.softmax(query[:, part] @ key[:, part].T / 3**0.5 + position, -1)
        heads.append(share @ value[:, part])
    expected = tokens + attention.merge(torch.cat(heads, -1)).view(1, 2, 2, 6)
    assert torch.allclose(attention(tokens, context), expected, atol=EXACT)
