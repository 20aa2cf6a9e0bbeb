"""What a video file says of itself, read before any work starts."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

import av
from av.codec.context import CodecContext
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.sidedata.sidedata import SideData, SideDataContainer
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from midframe.core.errors import MediaError
from midframe.video.colour import Colour, bit_depth, has_alpha, resolve_colour
from midframe.video.hdr import DYNAMIC, HdrMetadata, read_hdr
from midframe.video.loops import read_plays
from midframe.video.picture_list import (
    USUAL_RATE,
    check_input_rate,
    is_picture_list,
    list_pictures,
    missing_numbers,
    open_pictures,
)
from midframe.video.sequence import PictureContainer, PictureDecoder, PicturePacket, PictureStream, check_size
from midframe.video.webp import is_animated_webp, open_webp

OPENING_PIXELS = 10**7
"""Of the frames at the start of a video that tell whether it is interlaced: 24 of 576 lines, or 5 of 1080."""
SPOOLED = ".midframe-input"
"""End of the name of a file that holds what was read from standard input."""
ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
STAMPED_FOR_DECODING = ("avi",)
"""Containers whose packets say only when they are decoded."""
UNGUESSED_CODECS = ("h264", "hevc")
"""Those whose order of presentation FFmpeg cannot tell from packets without decoding them."""


# To the type checker, pictures that stand for a file look like one.
if TYPE_CHECKING:
    Container: TypeAlias = InputContainer
    Stream: TypeAlias = VideoStream
    Decoder: TypeAlias = VideoCodecContext
    AnyPacket: TypeAlias = Packet
else:
    Container = InputContainer | PictureContainer
    Stream = VideoStream | PictureStream
    Decoder = VideoCodecContext | PictureDecoder
    AnyPacket = Packet | PicturePacket


@dataclass(frozen=True)
class OtherStream:
    """A stream beside the video that is interpolated.

    Attributes:
        index: Its number in the file.
        kind: audio, subtitle, video, data, attachment or unknown.
        codec: Name of the codec, or "unknown".
        language: As tagged, or None.
        is_cover: A single picture that stands for the whole file.
    """

    index: int
    kind: str
    codec: str
    language: str | None = None
    is_cover: bool = False

    def sentence(self) -> str:
        """Its description for a person."""
        language = f", {self.language}" if self.language else ""
        return f"{self.kind} stream {self.index} ({self.codec}{language})"


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """Facts about a video file.

    Attributes:
        container: Format name as FFmpeg gives it, such as "mov,mp4,m4a,3gp,3g2,mj2".
        codec: Name of the video codec.
        width: Pixels, before any rotation.
        height: Pixels, before any rotation.
        pixel_format: Name as FFmpeg gives it, such as "yuv420p10le".
        bit_depth: Bits of the widest colour component.
        has_alpha: Pixels carry transparency.
        time_base: Seconds of one tick of the time stamps.
        start_time: Seconds at which the first whole frame is shown, on the clock that all streams share. A
            stream that was cut out of another may open with frames that do not decode.
        duration: Seconds from there to the declared end of the video stream; None where the file does not say.
        average_rate: Frames per second on average; None where the file does not say.
        frame_count: Frames that the file declares; None where it does not say.
        colour: Matrix, range, primaries and transfer, with what was assumed.
        rotation: Degrees counter-clockwise by which a player turns the picture.
        display_matrix: The nine numbers behind the rotation; None where there is none, or it cannot be read.
        sample_aspect_ratio: Width of a pixel over its height.
        interlaced: One of the first frames is interlaced, as the file says.
        deinterlace: How frames are to be read, `off`, `frames` or `fields` (see `video.deinterlace`): the one thing
            that is not read from the file.
        hdr: Static HDR metadata; None where the first frame has none.
        dynamic_hdr: Names of HDR metadata that changes from frame to frame, found on the first.
        streams: All other streams.
        chapter_count: Chapters in the file.
        plays: How often an animation says it is played, 0 for without end; None for what is no animation.
        input_rate: Frames per second that pictures are read at; None for what has times of its own.
        lacks_presentation_times: Packets are stamped in the order of decoding, whatever that of presentation is: the
            frame that is shown first has the earliest stamp, and so on.
        notes: One sentence for each thing that was assumed or is missing.
    """

    path: Path
    container: str
    codec: str
    width: int
    height: int
    pixel_format: str
    bit_depth: int
    has_alpha: bool
    time_base: Fraction
    start_time: Fraction
    duration: Fraction | None
    average_rate: Fraction | None
    frame_count: int | None
    colour: Colour
    rotation: int
    display_matrix: tuple[int, ...] | None
    sample_aspect_ratio: Fraction
    interlaced: bool
    hdr: HdrMetadata | None
    dynamic_hdr: tuple[str, ...]
    streams: tuple[OtherStream, ...]
    chapter_count: int
    plays: int | None = None
    deinterlace: str = "off"
    input_rate: Fraction | None = None
    lacks_presentation_times: bool = False
    notes: tuple[str, ...] = ()

    @property
    def is_spooled(self) -> bool:
        """The file is what was read from standard input (see `video.spool`)."""
        return self.path.name.endswith(SPOOLED)

    @property
    def name(self) -> str:
        """What the source is called before a person."""
        return "standard input" if self.is_spooled else str(self.path)

    @property
    def usual_step(self) -> Fraction:
        """Seconds from one frame to the next on average."""
        return 1 / self.average_rate if self.average_rate else Fraction(1, 25)

    @property
    def quarter_turns(self) -> int:
        """Counter-clockwise, where pixels are turned as a player would; 0 for a rotation by no quarter."""
        return 0 if self.rotation % 90 else self.rotation // 90


def probe(path: Path, input_rate: Fraction | None = None) -> VideoInfo:
    """Read the facts about a video file, or about pictures; decodes a few frames of the start.

    Args:
        path: A file; or a folder of pictures, or a pattern of their names.
        input_rate: Frames per second of pictures, 25 where None.

    Raises:
        MediaError: The file is missing, empty, not media, without video, or no frame is whole; or there are no
            pictures.
        UsageError: A rate for what has its own times.
    """
    check_input_rate(path, input_rate)
    with open_video(path, input_rate) as (container, stream):
        frame, interlaced = _opening(path, container, stream)
        context = stream.codec_context
        time_base = stream.time_base or Fraction(1, av.time_base)
        start_time = _start_time(frame, stream)
        end = _declared_end(container, stream)
        codec = context.codec.canonical_name
        lacks_presentation_times = container.format.name in STAMPED_FOR_DECODING and codec in UNGUESSED_CODECS
        return VideoInfo(
            path=path,
            container=container.format.name,
            codec=codec,
            width=frame.width,
            height=frame.height,
            pixel_format=frame.format.name,
            bit_depth=bit_depth(frame.format.name),
            has_alpha=_has_alpha(codec, frame),
            time_base=time_base,
            start_time=start_time,
            duration=None if end is None else end - start_time,
            average_rate=stream.average_rate or stream.guessed_rate or None,  # ASF and Ogg state no average
            frame_count=stream.frames or None,
            colour=_colour(stream, frame),
            rotation=frame.rotation,
            display_matrix=_display_matrix(frame),
            sample_aspect_ratio=stream.sample_aspect_ratio or Fraction(1),
            interlaced=interlaced,
            hdr=read_hdr(_side_data(frame)),
            dynamic_hdr=tuple(
                sorted({DYNAMIC[data.type.name] for data in _side_data(frame) if data.type.name in DYNAMIC})
            ),
            streams=tuple(
                OtherStream(
                    other.index,
                    other.type,
                    other.codec_context.codec.canonical_name if other.codec_context else "unknown",
                    other.language,
                    Disposition.attached_pic in other.disposition,
                )
                for other in container.streams
                if other.index != stream.index
            ),
            chapter_count=len(container.chapters()),
            plays=read_plays(path),
            input_rate=stream.average_rate if is_picture_list(path) else None,
            lacks_presentation_times=lacks_presentation_times,
            notes=tuple(
                _picture_notes(path, input_rate)
                if is_picture_list(path)
                else _stamp_notes(container, lacks_presentation_times)
            ),
        )


def _has_alpha(codec: str, frame: VideoFrame) -> bool:
    name = frame.format.name
    # A palette does not say whether it has any; a GIF always says so, and its first frame shows it.
    if name == "pal8" or (has_alpha(name) and codec == "gif"):
        return bool((frame.to_ndarray(format="rgba")[..., 3] < 255).any())
    return has_alpha(name)


def _picture_notes(path: Path, input_rate: Fraction | None) -> Iterator[str]:
    paths = list_pictures(path)
    rate = (
        f"{input_rate} frames a second" if input_rate else f"{USUAL_RATE} frames a second (--input-rate changes it)"
    )
    yield f"{len(paths)} pictures, {paths[0].name} to {paths[-1].name}, read at {rate}."
    if missing := missing_numbers(paths):
        yield missing


def _stamp_notes(container: Container, lacks_presentation_times: bool) -> Iterator[str]:
    if lacks_presentation_times:
        yield (
            f"{container.format.name} says when frames are decoded and not when they are shown: they are shown in "
            "their order, at the times that it has."
        )


@contextmanager
def open_video(path: Path, input_rate: Fraction | None = None) -> Iterator[tuple[Container, Stream]]:
    """A file or pictures opened for reading, and the main video stream.

    Raises:
        MediaError: The file is missing, empty, not media, or without video; or there are no pictures.
        MissingExtraError: An animated WebP, without Pillow.
    """
    try:
        path.stat()
    except FileNotFoundError:
        pass  # a pattern of pictures, or what is said below
    except (OSError, ValueError) as error:
        raise MediaError(f"{path} cannot be read: {reason(error)}.") from error
    opened = None
    if is_picture_list(path):
        opened = open_pictures(path, input_rate)
    elif is_animated_webp(path):
        opened = open_webp(path)
    if opened is not None:
        with opened as pictures:
            yield cast("Container", pictures), cast("Stream", pictures.stream)
        return
    if not path.exists():
        raise MediaError(f"{path} does not exist.")
    if not path.is_file():  # a pipe would block for ever
        raise MediaError(f"{path} is not a regular file.")
    if path.stat().st_size == 0:
        raise MediaError(f"{path} is empty.")
    try:
        # Absolute: FFmpeg would take a relative "Movie: part.mp4" for an address with a protocol.
        container = av.open(str(path.absolute()), "r", metadata_errors="replace")
    except (FFmpegError, OSError, ValueError) as error:
        raise MediaError(f"{path} cannot be read as a video: {reason(error)}.") from error
    with container:
        stream = container.streams.best("video")
        if not isinstance(stream, VideoStream) or stream.codec_context is None:
            raise MediaError(f"{path} has no video stream that can be decoded.")
        check_size(path, stream.codec_context.width, stream.codec_context.height)
        yield container, stream


def open_decoder(stream: Stream) -> Decoder:
    """What decodes the packets of a stream: its own decoder, but for VP8 and VP9 with transparency.

    FFmpeg's own decoders of these leave it out; those of libvpx know it.
    """
    own = stream.codec_context
    name = ALPHA_DECODERS.get(own.codec.canonical_name)
    if name is None or stream.metadata.get("alpha_mode") != "1":
        return own
    try:
        decoder = CodecContext.create(name, "r")
    except ValueError:  # this build of FFmpeg is without libvpx
        return own
    assert isinstance(decoder, VideoCodecContext)
    decoder.extradata = own.extradata
    return decoder


def seconds_of(stamped: VideoFrame | AnyPacket) -> Fraction | None:
    """When a frame, or that of a packet, is shown, in seconds on the clock that all streams share."""
    if stamped.pts is None or stamped.time_base is None:
        return None
    return stamped.pts * stamped.time_base


def _start_time(frame: VideoFrame | None, stream: Stream) -> Fraction:
    """When a frame is shown, or without a stamp of its own when the stream starts, in seconds."""
    own = None if frame is None else seconds_of(frame)
    if own is not None:
        return own
    return (stream.start_time or 0) * (stream.time_base or Fraction(1, av.time_base))


def _declared_end(container: Container, stream: Stream) -> Fraction | None:
    """Seconds, on the clock of all streams, at which the file declares its video stream to end, or None.

    Matroska declares it as a tag, in which FFmpeg writes the time of the end. The container's own duration
    counts only where it has no other stream: sound may last longer than the picture.
    """
    start = _start_time(None, stream)
    if stream.duration is not None and stream.time_base is not None:
        return start + stream.duration * stream.time_base
    tag = stream.metadata.get("DURATION", "").split(":")
    if len(tag) == 3 and all(part.replace(".", "", 1).isdigit() for part in tag):
        hours, minutes, seconds = (Fraction(part) for part in tag)
        return hours * 3600 + minutes * 60 + seconds
    if container.duration is not None and len(container.streams) == 1:
        return start + Fraction(container.duration, av.time_base)
    return None


def reason(error: BaseException) -> str:
    """FFmpeg's own words for an error, without its number."""
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")


def _opening(path: Path, container: Container, stream: Stream) -> tuple[VideoFrame, bool]:
    """The first frame that `VideoReader` yields when it skips what is damaged, and whether the opening is interlaced.

    Titles before a film may be progressive: up to `OPENING_PIXELS` are looked at.
    """
    damage = ""
    first: VideoFrame | None = None
    seen = 0
    try:
        decoder = open_decoder(stream)
        for packet in container.demux(stream):
            try:
                frames = decoder.decode(packet)
            except (FFmpegError, OSError) as error:
                damage = damage or reason(error)
                continue
            for frame in frames:
                if frame.is_corrupt or packet.is_corrupt:
                    damage = damage or "the decoder reports missing data"
                    continue
                first = first or frame
                seen += frame.width * frame.height
                if frame.interlaced_frame or seen >= OPENING_PIXELS:
                    return first, frame.interlaced_frame
    except (FFmpegError, OSError) as error:
        damage = damage or reason(error)
    if first is not None:
        return first, False
    if damage:
        raise MediaError(f"No frame of {path} can be decoded: {damage}.")
    raise MediaError(f"{path} has a video stream without a single frame.")


def _colour(stream: Stream, frame: VideoFrame) -> Colour:
    """Tags of the frame, completed by those of the stream."""
    context = stream.codec_context

    def stated(of_frame: int, of_stream: int, unspecified: int) -> int:
        return int(of_frame) if int(of_frame) != unspecified else int(of_stream)

    return resolve_colour(
        matrix=stated(frame.colorspace, context.colorspace, 2),
        colour_range=stated(frame.color_range, context.color_range, 0),
        primaries=stated(frame.color_primaries, context.color_primaries, 2),
        transfer=stated(frame.color_trc, context.color_trc, 2),
        pixel_format=frame.format.name,
        height=frame.height,
    )


def _side_data(frame: VideoFrame) -> list[SideData]:
    try:
        container = cast(SideDataContainer, frame.side_data)  # PyAV's stub knows motion vectors only
    except ValueError:  # a kind of which PyAV has not heard, such as the EXIF of a JPEG, hides all others
        return []
    return [container[index] for index in range(len(container))]


def _display_matrix(frame: VideoFrame) -> tuple[int, ...] | None:
    for data in _side_data(frame):
        if data.type.name == "DISPLAYMATRIX":
            return struct.unpack("=9i", bytes(data)[:36])
    return None
