"""The media room: everything that knows PyAV. Frames leave and enter it as RGB arrays with exact times.

`probe` says what a file is; `VideoReader` streams its frames; `mark_cuts` finds scene cuts on the way,
`mark_listed_cuts` takes those of a list;
`resolve_encoding` and `decide_streams` settle what the output will hold; `FrameEncoder` and `SegmentFile` leave
finished parts of it on the disk, and what `open_writer` gives joins them, whole or not at all.
"""

from midframe.video.buffers import encoder_bytes, frame_bytes, reader_bytes, smaller_encodings
from midframe.video.colour import Colour
from midframe.video.copies import Cadence, drop_copies
from midframe.video.cut_list import CutList, mark_listed_cuts, read_cut_list
from midframe.video.cuts import mark_cuts
from midframe.video.deinterlace import deinterlaced
from midframe.video.encode import EncodeOptions, Encoding, resolve_encoding
from midframe.video.grey import GreyWriter
from midframe.video.hdr import HdrMetadata, carries_hdr
from midframe.video.probe import OtherStream, VideoInfo, probe
from midframe.video.read import (
    StoredFrame,
    TimedFrame,
    VideoReader,
    read_frame,
    read_frames_at,
)
from midframe.video.request import WriteRequest, check_target
from midframe.video.scan import scan_held, scan_times
from midframe.video.segment_file import SegmentFile, is_whole
from midframe.video.streams import StreamFate, decide_streams
from midframe.video.targets import open_writer
from midframe.video.write import FrameEncoder, VideoWriter

__all__ = [
    "Cadence",
    "Colour",
    "CutList",
    "EncodeOptions",
    "Encoding",
    "FrameEncoder",
    "GreyWriter",
    "HdrMetadata",
    "OtherStream",
    "SegmentFile",
    "StoredFrame",
    "StreamFate",
    "TimedFrame",
    "VideoInfo",
    "VideoReader",
    "VideoWriter",
    "WriteRequest",
    "carries_hdr",
    "check_target",
    "decide_streams",
    "deinterlaced",
    "drop_copies",
    "encoder_bytes",
    "frame_bytes",
    "is_whole",
    "mark_cuts",
    "mark_listed_cuts",
    "open_writer",
    "probe",
    "read_cut_list",
    "read_frame",
    "read_frames_at",
    "reader_bytes",
    "resolve_encoding",
    "scan_held",
    "scan_times",
    "smaller_encodings",
]
