"""midframe raises the frame rate of real video.

    import midframe
    midframe.interpolate_video("in.mp4", "out.mp4", fps="60000/1001")

Everything in `__all__` is imported when it is first used: `import midframe` alone loads no PyTorch.
"""

from __future__ import annotations

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from midframe.api import interpolate_pictures, interpolate_video, load, methods, plan_video
    from midframe.core.errors import (
        DeviceError,
        FilterError,
        MediaError,
        MidframeError,
        MissingExtraError,
        RecipeError,
        ShapeError,
        UnknownNameError,
        UsageError,
        WeightsError,
        WorkerError,
        WriteError,
    )
    from midframe.core.method import Interpolator, MethodSpec
    from midframe.video.encode import EncodeOptions

    __version__: str

__all__ = [
    "DeviceError",
    "EncodeOptions",
    "FilterError",
    "Interpolator",
    "MediaError",
    "MethodSpec",
    "MidframeError",
    "MissingExtraError",
    "RecipeError",
    "ShapeError",
    "UnknownNameError",
    "UsageError",
    "WeightsError",
    "WorkerError",
    "WriteError",
    "__version__",
    "interpolate_pictures",
    "interpolate_video",
    "load",
    "methods",
    "plan_video",
]

_HOME = {
    "api": ("interpolate_pictures", "interpolate_video", "load", "methods", "plan_video"),
    "core.method": ("Interpolator", "MethodSpec"),
    "video.encode": ("EncodeOptions",),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'midframe' has no attribute '{name}'")
    if name == "__version__":
        return metadata.version("midframe")
    home = next((module for module, names in _HOME.items() if name in names), "core.errors")
    return getattr(import_module(f"midframe.{home}"), name)


def __dir__() -> list[str]:
    return __all__
