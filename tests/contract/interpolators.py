"""Every interpolator that the contract binds: a name, and a factory that needs no download."""

from collections.abc import Callable

from midframe.core.method import Interpolator
from midframe.methods.baseline import BlendInterpolator, NearestInterpolator

INTERPOLATORS: dict[str, Callable[[], Interpolator]] = {
    "blend": BlendInterpolator,
    "nearest": NearestInterpolator,
}
