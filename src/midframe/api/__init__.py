"""The wiring: a name becomes a method with its weights, and the method fills a video. Knows the registry."""

from midframe.api.clips import convert, imagine
from midframe.api.learning import adapt, train
from midframe.api.loading import SCALES, load, told_by, weights_of
from midframe.api.registry import DEFAULT_METHOD, Registration, methods
from midframe.api.videos import VideoShare, interpolate_pictures, interpolate_video, make_clip, plan_video

__all__ = [
    "DEFAULT_METHOD",
    "SCALES",
    "Registration",
    "VideoShare",
    "adapt",
    "convert",
    "imagine",
    "interpolate_pictures",
    "interpolate_video",
    "load",
    "make_clip",
    "methods",
    "plan_video",
    "told_by",
    "train",
    "weights_of",
]
