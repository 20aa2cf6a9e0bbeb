"""MADIFF at a size that a test runs in no time."""

from midframe.methods.madiff.config import CodecConfig, HintConfig

SMALL_CODEC = CodecConfig(base_width=8, multiples=(1, 2), codes=32, window=2)
SMALL_EVENTS = HintConfig(kind="events", width=4, halvings=2, residual=1)
