"""How training processes share a batch, and how its samples are prepared beside the training."""

from __future__ import annotations

from collections.abc import Iterable

from torch.utils.data import DataLoader, IterableDataset

from midframe.core.errors import RecipeError
from midframe.core.task import Batch, TrainOptions


def share_of_batch(batch: int, options: TrainOptions) -> int:
    """Samples of a batch that this process takes.

    Raises:
        RecipeError: The training processes cannot share it equally.
    """
    if batch % options.processes:
        raise RecipeError(f"a batch of {batch} cannot be shared equally by {options.processes} processes.")
    return batch // options.processes


def loader(stream: Iterable[Batch], workers: int) -> Iterable[Batch]:
    """Whole batches of a stream, an `IterableDataset`, prepared by so many processes; by this one for 0."""
    assert isinstance(stream, IterableDataset)
    return DataLoader(stream, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None)
