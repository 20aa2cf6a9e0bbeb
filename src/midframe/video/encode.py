"""What the output is encoded with: codec, quality, pixel format."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import av

from midframe.core.errors import UsageError
from midframe.video.colour import bit_depth, has_alpha, is_grey, is_rgb
from midframe.video.encoders import check_preset, encoder_named, memory_formats, quality_scale
from midframe.video.formats import Format, format_of
from midframe.video.probe import VideoInfo
from midframe.video.streams import codecs_of

RATE_CONTROLS = frozenset(
    ("crf", "quality", "qp", "cq", "b", "rc", "rc_mode", "qp_i", "qp_p", "lossless", "qscale", "global_quality")
)
WITH_ASPECT = ("h264", "hevc", "mpeg4", "mpeg2video")
"""Codecs whose stream says how wide a pixel is."""
# Some hardware encoders offer nothing else for more than 8 bits.
SEMIPLANAR = ("p010le", "p016le")
DEFAULT_CODEC = "libx264"
DEEP_CODEC = "libx265"
"""In place of the default, which has up to 10 bits, for sources of 12."""
ALPHA_CODECS = {".mov": "prores_ks", ".mkv": "ffv1", ".webm": "libvpx-vp9"}
"""In place of the default, which has no transparency, for sources that have."""
# Encoders that offer formats with transparency which they refuse, or which hardly a decoder reads.
ALPHA_FORMATS = {"libvpx-vp9": ("yuva420p",), "libx265": ()}
PRORES_BITS = 10
"""What ProRes is written with. It does not say what it was made of, and FFmpeg reads ProRes 4444 as 12 bits."""
LOSSLESS_PIXELS = {
    "pal8": "bgr0",
    "rgb24": "bgr0",
    "rgb48be": "gbrp16le",
    "rgb48le": "gbrp16le",
    "rgba": "bgra",
    "rgba64be": "gbrap16le",
    "rgba64le": "gbrap16le",
}
"""What FFV1 keeps instead of some formats that it does not have."""


@dataclass(frozen=True, kw_only=True)
class EncodeOptions:
    """How the output video is to be encoded.

    Attributes:
        codec: h264, h265, vp9, av1, prores, ffv1, or FFmpeg's name of an encoder; by default H.264 through
            libx264, in webm VP9. Sources that these cannot hold get H.265 for 12 bits; for transparency ProRes 4444
            in mov, and FFV1 in mkv.
        quality: On the encoder's own scale, a constant rate factor or its like; by default one whose loss is
            not seen. Lower is better, but for those of VideoToolbox.
        preset: Speed of the encoder, in its own words.
        pixel_format: FFmpeg's name; by default the nearest to the source's that the encoder offers.
        encoder_options: Further options, passed to the encoder as they are.
        allow_loss: Write the video even where depth, transparency or what a player must know of the source does not
            survive.
    """

    codec: str | None = None
    quality: int | None = None
    preset: str | None = None
    pixel_format: str | None = None
    encoder_options: Mapping[str, str] = field(default_factory=dict)
    allow_loss: bool = False


@dataclass(frozen=True)
class Encoding:
    """Options resolved for one source and one target.

    Attributes:
        codec: Encoder name.
        pixel_format: What it stores.
        options: All options of the encoder.
        losses: One sentence for each property of the source that does not survive.
        has_quality: A quality was asked for, midframe has one for the codec, or the codec loses nothing.
    """

    codec: str
    pixel_format: str
    options: dict[str, str]
    losses: tuple[str, ...]
    has_quality: bool = True


def resolve_encoding(info: VideoInfo, target: Path, options: EncodeOptions) -> Encoding:
    """Choose encoder, pixel format and options for a source.

    Raises:
        UsageError: An unknown encoder, a pixel format that it does not offer, a quality that it has no scale
            for, an option that it does not have, or a loss that was not allowed.
    """
    kind = format_of(target)
    name = encoder_named(options.codec or _default_codec(info, target, options))
    try:
        codec = av.Codec(name, "w")
    except ValueError as error:
        raise UsageError(f"There is no encoder '{name}' in this build of FFmpeg.") from error
    if codec.type != "video":
        raise UsageError(f"'{name}' encodes {codec.type}, not video.")
    if codec.canonical_name not in codecs_of(target):
        raise UsageError(f"{kind.name} cannot hold what {name} encodes; choose another codec or container.")
    offered = [name for name in memory_formats(codec) if not kind.pixel_formats or name in kind.pixel_formats]
    offered = offered or list(kind.pixel_formats)
    if codec.video_formats and not offered:
        raise UsageError(f"{name} takes pictures from a device's memory alone, where midframe puts none.")
    lossless = codec.lossless and not codec.lossy
    pixel_format = options.pixel_format or _nearest_format(info, _fitting(codec, info, offered), lossless=lossless)
    if offered and pixel_format not in offered:
        raise UsageError(f"{name} does not offer pixel format '{pixel_format}'; it offers {', '.join(offered)}.")
    chosen = _encoder_options(name, options)
    if name == "libwebp":
        chosen = _webp_options(info, chosen)
    losses = _losses(info, pixel_format)
    if name == "libwebp" and chosen.get("lossless") != "1" and min(_chroma(info.pixel_format)) < 2:
        losses += (f"the chroma resolution of {info.pixel_format} is reduced (lossy WebP has 4:2:0)",)
    shape = _shape_loss(info, kind)
    losses += shape
    if (shape or (losses and options.pixel_format is None)) and not options.allow_loss:
        hint = " A .mov, .mkv, .webm, .apng or .webp can hold transparency." if info.has_alpha else ""
        raise UsageError(
            f"With {name}, {'; '.join(losses)}. Choose another codec or pixel format, or allow the loss.{hint}"
        )
    # A codec that can do both is lossy unless told; one without any loss has no quality to set.
    has_quality = quality_scale(name) is not None or not RATE_CONTROLS.isdisjoint(chosen)
    has_quality = has_quality or lossless
    return Encoding(name, pixel_format, chosen, losses, has_quality)


def _default_codec(info: VideoInfo, target: Path, options: EncodeOptions) -> str:
    """The usual codec of a container, or one that holds what the usual one would lose."""
    suffix = target.suffix.lower()
    usual = format_of(target).codec
    if options.allow_loss or options.pixel_format is not None:
        return usual
    if info.has_alpha:
        return ALPHA_CODECS.get(suffix, usual)
    if usual == DEFAULT_CODEC and _depth(info) > 10:
        return DEEP_CODEC
    return usual


def _depth(info: VideoInfo) -> int:
    return PRORES_BITS if info.codec == "prores" else info.bit_depth


def lossless_encoding(encoding: Encoding) -> Encoding:
    """FFV1 that keeps every bit of the pixels of another encoding."""
    pixel_format = LOSSLESS_PIXELS.get(encoding.pixel_format, encoding.pixel_format)
    return Encoding("ffv1", pixel_format, _encoder_options("ffv1", EncodeOptions()), ())


def _webp_options(info: VideoInfo, chosen: dict[str, str]) -> dict[str, str]:
    """Lossy WebP halves chroma: what has more of it is kept without loss, unless a quality was asked for."""
    if min(_chroma(info.pixel_format)) < 2 and "quality" not in chosen and "lossless" not in chosen:
        return {"lossless": "1"} | chosen
    return {"quality": "90"} | chosen


def _encoder_options(name: str, options: EncodeOptions) -> dict[str, str]:
    supported = av.CodecContext.create(name, "w").supported_options
    known = {option.name: option for option in (*supported.generic, *supported.private)}
    for key in options.encoder_options:
        if key not in known:
            near = difflib.get_close_matches(key, sorted(known), n=1)
            raise UsageError(f"{name} has no option '{key}'.{f' Did you mean {near[0]!r}?' if near else ''}")
    if options.preset is not None:
        check_preset(name, known.get("preset"), options.preset)
    scale = quality_scale(name)
    if options.quality is not None and (scale is None or not scale.options):
        raise UsageError(f"{name} has no constant rate factor; pass its own quality option instead.")
    chosen = {} if scale is None else scale.setting(options.quality)
    if scale is not None and options.quality is None and not RATE_CONTROLS.isdisjoint(options.encoder_options):
        chosen = dict(scale.others)  # encoders let their quality win over the control that was asked for
    if options.preset is not None:
        chosen["preset"] = options.preset
    return chosen | dict(options.encoder_options)


def _fitting(codec: av.Codec, info: VideoInfo, offered: list[str]) -> list[str]:
    """The offered formats that work, and hold the size: H.264 and H.265 refuse odd sides where chroma is halved."""
    alpha = ALPHA_FORMATS.get(codec.name)
    if alpha is not None:
        offered = [name for name in offered if name in alpha or not has_alpha(name)]
    if codec.canonical_name not in ("h264", "hevc"):
        return offered

    def fits(name: str) -> bool:
        across, down = _chroma(name)
        return info.width % across == 0 and info.height % down == 0

    return [name for name in offered if fits(name)]


def _nearest_format(info: VideoInfo, offered: list[str], *, lossless: bool = False) -> str:
    """The offered format that keeps most of the source: colour, transparency, then depth, then chroma.

    A codec that loses nothing is given RGB for RGB, which luma and chroma would round.
    """
    source = av.VideoFormat(info.pixel_format)
    chroma = _chroma(info.pixel_format)
    keeps_rgb = lossless and is_rgb(info.pixel_format)

    def distance(name: str) -> tuple[bool, bool, int, int, bool, bool, int]:
        depth, (across, down) = bit_depth(name), _chroma(name)
        return (
            is_grey(name) and not is_grey(info.pixel_format),
            has_alpha(name) != info.has_alpha and info.has_alpha,
            max(0, _depth(info) - depth),
            max(0, across - chroma[0]) + max(0, down - chroma[1]),
            is_rgb(name) != keeps_rgb,  # players expect luma and chroma
            name != source.name.replace("yuvj", "yuv"),
            abs(depth - info.bit_depth) + abs(across - chroma[0]) + abs(down - chroma[1]),
        )

    # Only planar formats: packed ones that encoders offer beside them hold the same pixels.
    planar = [name for name in offered if name.startswith(("yuv", "gbr")) and not name.startswith("yuvj")]
    planar += [name for name in offered if name in SEMIPLANAR]
    return min((not keeps_rgb and planar) or offered or ["yuv420p"], key=distance)


def _chroma(pixel_format: str) -> tuple[int, int]:
    """Subsampling of chroma (1 or 2, and 4 in old formats) across and down."""
    if is_rgb(pixel_format):
        return 1, 1
    described = av.VideoFormat(pixel_format)
    if len(described.components) < 3:
        return 2, 2  # grey: any chroma will do
    return -(-64 // described.chroma_width(64)), -(-64 // described.chroma_height(64))


def states_aspect(codec: str) -> bool:
    """Whether what an encoder writes says how wide a pixel is."""
    return av.Codec(codec, "w").canonical_name in WITH_ASPECT


def _shape_loss(info: VideoInfo, kind: Format) -> tuple[str, ...]:
    aspect = info.sample_aspect_ratio
    if aspect == 1 or kind.holds_aspect:
        return ()
    return (f"pixels of {aspect.numerator}:{aspect.denominator} are shown square in {kind.name}",)


def _losses(info: VideoInfo, pixel_format: str) -> tuple[str, ...]:
    losses = []
    if bit_depth(pixel_format) < _depth(info):
        losses.append(f"{info.bit_depth} bits become {bit_depth(pixel_format)} ({pixel_format})")
    if info.has_alpha and not has_alpha(pixel_format):
        losses.append("the transparency of the source is lost")
    across, down = _chroma(info.pixel_format)
    stored_across, stored_down = _chroma(pixel_format)
    if stored_across > across or stored_down > down:
        losses.append(f"the chroma resolution of {info.pixel_format} is reduced ({pixel_format})")
    if is_grey(pixel_format) and not is_grey(info.pixel_format):
        losses.append(f"all colour is lost ({pixel_format})")
    return tuple(losses)
