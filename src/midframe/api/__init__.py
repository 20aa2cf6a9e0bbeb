"""The wiring: a name becomes a method with its weights, and the method fills a video. Knows the registry."""

from midframe.api.learning import adapt, train
from midframe.api.loading import SCALES, load
from midframe.api.registry import DEFAULT_METHOD, Registration, methods
from midframe.api.videos import VideoShare, interpolate_pictures, interpolate_video, plan_video

__all__ = [
    "DEFAULT_METHOD",
    "SCALES",
    "Registration",
    "VideoShare",
    "adapt",
    "interpolate_pictures",
    "interpolate_video",
    "load",
    "methods",
    "plan_video",
    "train",
]
