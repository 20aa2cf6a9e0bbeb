import threading

import pytest

from midframe.engine.channel import Channel, Stopped, drain, feed


def test_items_arrive_in_order():
    channel = Channel(2)
    thread = feed(range(20), channel, "feed")
    assert list(channel) == list(range(20))
    thread.join()


def test_the_producer_waits_for_a_slow_consumer():
    started = []

    def items():
        for k in range(100):
            started.append(k)
            yield k

    channel = Channel(3)
    thread = feed(items(), channel, "feed")
    taken = []
    for item in channel:
        taken.append(item)
        assert len(started) <= len(taken) + 3 + 1  # waiting in the channel, and one in the producer's hand
    thread.join()
    assert len(taken) == 100


def test_an_error_of_the_producer_reaches_the_consumer():
    def items():
        yield 1
        raise ValueError("broken source")

    channel = Channel(2)
    thread = feed(items(), channel, "feed")
    with pytest.raises(ValueError, match="broken source"):
        list(channel)
    thread.join()


def test_an_error_of_the_consumer_reaches_the_producer():
    channel = Channel(1)
    refused = threading.Event()

    def refuse(item):
        refused.set()
        raise ValueError("full disk")

    thread = drain(channel, refuse, "drain")
    channel.put(1)
    thread.join()
    assert refused.is_set()
    with pytest.raises(ValueError, match="full disk"):
        channel.put(2)
    with pytest.raises(ValueError, match="full disk"):
        channel.raise_error()


def test_a_waiting_producer_is_released_when_the_channel_stops():
    channel = Channel(1)
    thread = feed(range(10), channel, "feed")
    channel.fail(Stopped())
    thread.join(timeout=5)
    assert not thread.is_alive()
