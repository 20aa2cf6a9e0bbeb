"""Encoders by short names, and how each family of them is told its quality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
from av.codec.context import CodecOption
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from midframe.core.errors import UnknownNameError, UsageError

SHORT_NAMES: Mapping[str, tuple[str, ...]] = {
    "h264": ("libx264", "libopenh264", "h264_videotoolbox", "h264_nvenc", "h264_qsv", "h264_amf"),
    "h265": ("libx265", "hevc_videotoolbox", "hevc_nvenc", "hevc_qsv", "hevc_amf"),
    "vp9": ("libvpx-vp9", "vp9_qsv"),
    "av1": ("libsvtav1", "libaom-av1", "av1_nvenc", "av1_qsv", "av1_amf"),
    "prores": ("prores_ks", "prores_videotoolbox", "prores"),
    "ffv1": ("ffv1",),
}
"""Codec -> encoders of it, the best first: those in software before those in hardware, which need more bits."""
OTHER_NAMES = {"hevc": "h265"}


@dataclass(frozen=True)
class QualityScale:
    """How an encoder is told a constant quality.

    Attributes:
        default: Loss that is not seen; None where the encoder decides well by itself.
        limits: Lowest and highest number of the scale; None where there is none.
        options: Set together; `{}` stands for the quality. Encoders let them win over other rate controls.
        unit: What one step of the scale is in the option.
        others: Further options that the quality or a bearable speed depends on.
        higher_is_better: As in most scales it is not.
    """

    default: int | None
    limits: tuple[int, int] | None
    options: Mapping[str, str]
    unit: int = 1
    others: Mapping[str, str] = field(default_factory=dict)
    higher_is_better: bool = False

    def setting(self, quality: int | None) -> dict[str, str]:
        """The options for a quality; for the default where None is asked for.

        Raises:
            UsageError: A number outside the scale.
        """
        quality = self.default if quality is None else quality
        if quality is None:
            return dict(self.others)
        lowest, highest = self.limits or (quality, quality)
        if not lowest <= quality <= highest:
            better = "higher" if self.higher_is_better else "lower"
            raise UsageError(f"Quality lies between {lowest} and {highest} here, {better} is better; got {quality}.")
        return {key: value.format(quality * self.unit) for key, value in self.options.items()} | dict(self.others)


X26X_PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow", "placebo"),
)
"""Of x264 and x265, which FFmpeg hands on as text without knowing them."""
CRF = {"crf": "{}"}
QUALITY: Mapping[str, QualityScale] = {
    "libx264": QualityScale(16, (0, 51), CRF, others={"preset": "medium"}),
    "libx265": QualityScale(18, (0, 51), CRF, others={"preset": "medium"}),
    "libvpx-vp9": QualityScale(20, (0, 63), CRF | {"b": "0"}, others={"row-mt": "1"}),
    "libsvtav1": QualityScale(20, (1, 63), CRF, others={"preset": "6"}),
    "libaom-av1": QualityScale(20, (0, 63), CRF, others={"cpu-used": "6"}),
    # Its profile follows the pixel format: HQ, or 4444.
    "prores_ks": QualityScale(None, (1, 64), {"flags": "+qscale", "global_quality": "{}"}, unit=118),
    "libwebp": QualityScale(None, (0, 100), {"quality": "{}"}, higher_is_better=True),
    "mjpeg": QualityScale(2, (1, 31), {"flags": "+qscale", "global_quality": "{}"}, unit=118),
    # Of wider scales than their makers' encoders of other codecs.
    "av1_nvenc": QualityScale(19, (1, 63), {"rc": "vbr", "cq": "{}", "b": "0"}),
    "av1_amf": QualityScale(18, (0, 255), {"rc": "cqp", "qp_i": "{}", "qp_p": "{}"}),
    # Slices of their own checksums; each frame by itself.
    "ffv1": QualityScale(None, None, {}, others={"level": "3", "g": "1", "slicecrc": "1"}),
}
# Suffix of an encoder in hardware -> its makers' way to say a constant quality.
HARDWARE_QUALITY: Mapping[str, QualityScale] = {
    "_nvenc": QualityScale(19, (1, 51), {"rc": "vbr", "cq": "{}", "b": "0"}),
    "_qsv": QualityScale(19, (1, 51), {"global_quality": "{}"}),
    "_vaapi": QualityScale(19, (1, 52), {"rc_mode": "CQP", "global_quality": "{}"}),
    # Its steps are FFmpeg's units of lambda.
    "_videotoolbox": QualityScale(
        75, (1, 100), {"flags": "+qscale", "global_quality": "{}"}, unit=118, higher_is_better=True
    ),
    "_amf": QualityScale(18, (0, 51), {"rc": "cqp", "qp_i": "{}", "qp_p": "{}"}),
}


def encoder_named(name: str) -> str:
    """FFmpeg's name of an encoder, from that or from a codec's short name: the first present one of it.

    Raises:
        UsageError: None of the codec's encoders is in this build of FFmpeg.
    """
    choices = SHORT_NAMES.get(OTHER_NAMES.get(name, name))
    if choices is None:
        return name
    for choice in choices:
        if has_encoder(choice) and (not is_hardware(choice) or is_usable(choice)):
            return choice
    raise UsageError(f"This build of FFmpeg has no encoder of {name} that works here: {', '.join(choices)}.")


def quality_scale(encoder: str) -> QualityScale | None:
    """How an encoder is told its quality; None where midframe does not know."""
    if encoder in QUALITY:
        return QUALITY[encoder]
    return next((scale for suffix, scale in HARDWARE_QUALITY.items() if encoder.endswith(suffix)), None)


def check_preset(encoder: str, found: CodecOption | None, preset: str) -> None:
    """Refuse a speed that an encoder does not have.

    Args:
        encoder: Its name.
        found: Its option `preset`; None where it has none.
        preset: What was asked for.

    Raises:
        UsageError: Another name, a number outside the encoder's, or an encoder without presets.
    """
    if found is None:
        raise UsageError(f"{encoder} has no presets; pass its own options for speed instead.")
    names = [choice.name for choice in found.choices]
    if encoder in ("libx264", "libx265"):
        names = list(X26X_PRESETS)
    if names:
        if preset not in names and not (preset.isdecimal() and int(preset) < len(names)):
            raise UnknownNameError(f"preset of {encoder}", preset, names)
    elif found.min < found.max:
        try:
            fits = found.min <= int(preset) <= found.max
        except ValueError:
            fits = False
        if not fits:
            raise UsageError(f"A preset of {encoder} is a number, {found.min:g} to {found.max:g}; got '{preset}'.")


def is_hardware(encoder: str) -> bool:
    """Whether a part of the machine other than the processor does the work."""
    return encoder.endswith(tuple(HARDWARE_QUALITY))


def settled(encoder: str, options: dict[str, str]) -> dict[str, str]:
    """The options with what keeps an encoder from printing by itself and makes it do the same twice.

    x264's code for AVX-512 gives other bits from run to run (its macroblock tree, in the build of PyAV 18.1), and a
    resumed run would differ from an undisturbed one. What the options say themselves is kept.
    """
    if encoder == "libx265":
        return _with_parameter(options, "x265-params", "log-level", "error")
    if encoder == "libx264" and _has_avx512():
        return _with_parameter(options, "x264-params", "asm", "avx2")
    return options


def _with_parameter(options: dict[str, str], field: str, name: str, value: str) -> dict[str, str]:
    parameters = options.get(field, "")
    if name in parameters:
        return options
    return options | {field: f"{parameters}:{name}={value}".lstrip(":")}


@cache
def _has_avx512() -> bool:
    """Whether Linux names it among the processor's abilities; elsewhere the answer is no."""
    try:
        return "avx512f" in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return False


def has_encoder(name: str) -> bool:
    """Whether it is in this build of FFmpeg."""
    try:
        av.Codec(name, "w")
    except ValueError:
        return False
    return True


def memory_formats(codec: av.Codec) -> list[str]:
    """Pixel formats that an encoder takes from ordinary memory, not from that of a device."""
    return [offer.name for offer in codec.video_formats or () if offer.components]


def is_usable(name: str) -> bool:
    """Whether an encoder opens: hardware that is compiled in may not be in the machine."""
    formats = memory_formats(av.Codec(name, "w"))
    if not formats:
        return False
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = 320, 240, formats[0]
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    try:
        context.open()
    except (FFmpegError, OSError, ValueError):
        return False
    return True
