"""Damage on the level of packets: lost, doubled, moved, broken, or with absurd stamps, in a whole container."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import av
from av.packet import Packet

from fault_campaign.media import REPRODUCIBLE

PICTURES_PER_SECOND = (Fraction(1, 10**6), Fraction(1, 100), *(Fraction(10) ** power for power in range(10)))


def damage_packets(source: Path, target: Path, rng: random.Random) -> None:
    """Write a file again with its packets disturbed; what the muxer refuses is left out."""
    way = rng.choice(["lost", "doubled", "moved", "broken", "stamps", "rate"])
    with av.open(str(source)) as reading, av.open(str(target), "w", options=REPRODUCIBLE) as writing:
        video = reading.streams.video[0]
        streams = {
            s.index: writing.add_stream_from_template(s) for s in reading.streams if s.type in ("video", "audio")
        }
        packets = [p for p in reading.demux() if p.size and p.stream_index in streams and p.dts is not None]
        _disturb(packets, way, video.index, rng)
        for packet in packets:
            packet.stream = streams[packet.stream_index]
            try:
                writing.mux_one(packet)
            except (OSError, ValueError):
                continue


def _disturb(packets: list[Packet], way: str, video: int, rng: random.Random) -> None:
    if way == "rate":
        _change_rate([packet for packet in packets if packet.stream_index == video], rng)
        return
    for _ in range(rng.randint(1, max(2, len(packets) // 4))):
        place = rng.randrange(len(packets))
        packet = packets[place]
        if way == "lost" and len(packets) > 1:
            del packets[place]
        elif way == "doubled":
            packets.insert(place, _copy(packet, bytes(packet)))
        elif way == "moved":
            other = rng.randrange(len(packets))
            packets[place], packets[other] = packets[other], packets[place]
        elif way == "broken":
            payload = bytearray(bytes(packet))
            for _ in range(2 ** rng.randint(0, 6)):
                payload[rng.randrange(len(payload))] ^= 1 << rng.randrange(8)
            packets[place] = _copy(packet, bytes(payload[: rng.randint(1, len(payload))]))
        elif way == "stamps":
            late = rng.choice([-(10**6), -1, 1, 1000, 10**6, 2**31, 2**40])
            packet.pts = None if packet.pts is None else packet.pts + late
            packet.dts = None if packet.dts is None else packet.dts + late


def _change_rate(packets: list[Packet], rng: random.Random) -> None:
    """The same pictures at another rate, from one in eleven days to a thousand million a second."""
    rate = rng.choice(PICTURES_PER_SECOND)
    if len(packets) < 2 or packets[0].dts is None:
        return
    stamps = sorted(packet.pts for packet in packets if packet.pts is not None)
    step = max(1, stamps[1] - stamps[0])
    base = Fraction(1, max(1, round(rate))) if rate >= 1 else Fraction(1)
    for packet in packets:
        for name in ("pts", "dts"):
            stamp = getattr(packet, name)
            if stamp is not None:
                setattr(packet, name, round(Fraction(stamp, step) / rate / base))
        packet.duration = max(1, round(1 / rate / base))
        packet.time_base = base


def _copy(packet: Packet, payload: bytes) -> Packet:
    copied = Packet(payload)
    copied.pts, copied.dts, copied.time_base = packet.pts, packet.dts, packet.time_base
    copied.duration, copied.is_keyframe, copied.stream = packet.duration, packet.is_keyframe, packet.stream
    return copied
