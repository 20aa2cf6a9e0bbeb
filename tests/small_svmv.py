"""SVMV at a size that a test runs in no time."""

from midframe.methods.svmv.config import SvmvConfig

SMALL_SVMV = SvmvConfig(
    members=3,
    feature_widths=(4, 6, 8),
    coarse_width=8,
    coarse_depth=1,
    coarse_radius=1,
    middle_width=8,
    middle_depth=1,
    middle_radius=1,
    fine_width=8,
    fine_depth=1,
    memory=4,
    levels=2,
)
