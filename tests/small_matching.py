"""The default RIFE layout at a size that a test runs in no time."""

from midframe.methods.rife.layouts import MatchingConfig

SMALL_MATCHING = MatchingConfig(
    feature_widths=(4, 6, 8),
    coarse_width=8,
    coarse_depth=1,
    coarse_radius=1,
    middle_width=8,
    middle_depth=1,
    fine_width=8,
    fine_depth=1,
    memory=4,
    levels=2,
)
