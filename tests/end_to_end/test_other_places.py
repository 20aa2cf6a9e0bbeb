"""An input that is a list of other places makes nobody go there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from blend import Blend
from midframe.core.errors import MediaError
from midframe.core.timeline import Multiply
from midframe.engine import run_video


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """The address of a server on this machine, and what was asked of it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_address[1]}", asked
    listening.shutdown()
    listening.server_close()
    thread.join()


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{place}/part.ts\n#EXT-X-ENDLIST\n"
MANIFEST = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT5S" profiles="urn:mpeg:dash:profile:isoff-main:2011"><Period><AdaptationSet '
    'mimeType="video/mp4"><Representation id="1" bandwidth="1" codecs="avc1.42c01e"><BaseURL>{place}/part.mp4'
    '</BaseURL><SegmentList><SegmentURL media="{place}/part.mp4"/></SegmentList></Representation></AdaptationSet>'
    "</Period></MPD>"
)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.m3u8", PLAYLIST),
        ("list.mpd", MANIFEST),
        ("list.ffconcat", "ffconcat version 1.0\nfile {place}/part.mp4\n"),
        ("list.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n"),
    ],
)
def test_a_list_of_addresses_is_refused_and_asks_nobody(
    tmp_path: Path, server: tuple[str, list[str]], name: str, content: str
):
    place, asked = server
    source = tmp_path / name
    source.write_text(content.format(place=place))
    with pytest.raises(MediaError):
        run_video(source, tmp_path / "out.mp4", Blend(), Multiply(2))
    assert asked == []


@pytest.mark.parametrize("name", ["list.ffconcat", "list.m3u8"])
def test_a_list_of_files_elsewhere_is_refused(tmp_path: Path, name: str):
    elsewhere = tmp_path / "elsewhere" / "secret.txt"
    elsewhere.parent.mkdir()
    elsewhere.write_text("nothing to see")
    text = (
        f"ffconcat version 1.0\nfile {elsewhere}\n" if name.endswith("concat") else PLAYLIST.format(place=elsewhere)
    )
    source = tmp_path / "here" / name
    source.parent.mkdir()
    source.write_text(text)
    with pytest.raises(MediaError):
        run_video(source, tmp_path / "out.mp4", Blend(), Multiply(2))


@pytest.mark.parametrize(
    "name", ["http://127.0.0.1:1/a.mp4", "concat:a.mp4|b.mp4", "pipe:0", "file:/etc/passwd", "-"]
)
def test_a_name_that_looks_like_an_address_is_a_name(tmp_path: Path, name: str):
    with pytest.raises(MediaError, match=r"[Nn]o file|[Nn]o such|does not exist|not found"):
        run_video(Path(name), tmp_path / "out.mp4", Blend(), Multiply(2))
