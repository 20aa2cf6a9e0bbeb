"""A bounded queue between two threads that carries their failures too."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from threading import Condition, Thread
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Stopped(Exception):
    """The other side of a channel no longer takes part."""


class Channel(Generic[Item]):
    """Hands items from one thread to another, at most `capacity` of them waiting.

    An error on either side reaches the other at its next item; items that still wait are dropped.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[Item] = deque()
        self._changed = Condition()
        self._finished = False
        self._error: BaseException | None = None

    def put(self, item: Item) -> None:
        """Wait for room, then add an item.

        Raises:
            BaseException: Whatever stopped the consumer.
        """
        with self._changed:
            self._changed.wait_for(lambda: len(self._items) < self._capacity or self._error is not None)
            if self._error is not None:
                raise self._error
            self._items.append(item)
            self._changed.notify_all()

    def finish(self) -> None:
        """Say that no item follows."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """Stop both sides with an error; the first one counts."""
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def raise_error(self) -> None:
        """Raise whatever stopped either side, if anything did."""
        if self._error is not None:
            raise self._error

    def __iter__(self) -> Iterator[Item]:
        """Take items until the producer has finished.

        Raises:
            BaseException: Whatever stopped the producer.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._finished or self._error is not None)
                if self._error is not None:
                    raise self._error
                if not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item


def feed(items: Iterable[Item], channel: Channel[Item], name: str) -> Thread:
    """Start a thread that puts all items into a channel."""

    def work() -> None:
        for item in items:
            channel.put(item)
        channel.finish()

    return _start(work, channel, name)


def drain(channel: Channel[Item], consume: Callable[[Item], None], name: str) -> Thread:
    """Start a thread that consumes all items of a channel."""

    def work() -> None:
        for item in channel:
            consume(item)

    return _start(work, channel, name)


def _start(work: Callable[[], None], channel: Channel, name: str) -> Thread:
    def guarded() -> None:
        try:
            work()
        except BaseException as error:  # raised again on the other side of the channel
            channel.fail(error)

    thread = Thread(target=guarded, name=name, daemon=True)
    thread.start()
    return thread
