"""MiVID at a size that a test runs in no time."""

from midframe.methods.mivid.config import MividConfig

SMALL_MIVID = MividConfig(
    base_width=8, attention=(False, False, True), heads=(1, 1, 2), dropout=0.0, size=32, sampling_steps=2
)
