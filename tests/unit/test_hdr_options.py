"""Metadata of high dynamic range in the words of encoders."""

from fractions import Fraction

from midframe.video.hdr import HdrMetadata, with_hdr

PRIMARIES = tuple(
    (Fraction(x, 50_000), Fraction(y, 50_000))
    for x, y in ((34000, 16000), (13250, 34500), (7500, 3000), (15635, 16450))
)
HDR = HdrMetadata(primaries=PRIMARIES, luminance=(Fraction(1, 10_000), Fraction(1000)), light=(1000, 400))
DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"


def test_each_encoder_is_told_in_its_own_words():
    assert with_hdr("libx265", {}, HDR) == {"x265-params": f"master-display={DISPLAY}:max-cll=1000,400"}
    assert with_hdr("libx264", {}, HDR) == {"x264-params": f"mastering-display={DISPLAY}:cll=1000,400"}
    assert with_hdr("ffv1", {}, HDR) == {}
    assert with_hdr("libx265", {"crf": "18"}, None) == {"crf": "18"}


def test_what_was_set_by_name_is_kept():
    told = with_hdr("libx265", {"x265-params": "max-cll=1,1:aq-mode=3"}, HDR)
    assert told == {"x265-params": f"max-cll=1,1:aq-mode=3:master-display={DISPLAY}"}


def test_luminance_alone_is_no_mastering_display():
    assert with_hdr("libx264", {}, HdrMetadata(luminance=(Fraction(0), Fraction(1000)))) == {}
