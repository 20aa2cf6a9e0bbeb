"""How work is given to other processes, here or elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar, runtime_checkable

Item = TypeVar("Item")
Result = TypeVar("Result")


@runtime_checkable
class Executor(Protocol):
    """Runs a job on several items at once.

    Attributes:
        workers: How many items are worked on at the same time.
    """

    @property
    def workers(self) -> int: ...

    def map(self, job: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """The results, in the order of the items.

        Args:
            job: Something that can be pickled, such as a frozen dataclass of plain values with `__call__`. It sees
                the same files as this process.
            items: What it is called with, one at a time.

        Raises:
            MidframeError: What the job raised, as soon as one of them does; or a worker ended without a word. All
                others are stopped then, and when the caller leaves the iterator early.
        """
        ...
