"""VQ-MAGAN: published sizes, moved features, heads, and what hints may not do."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
import torch
from torch import nn

from midframe.core.errors import ShapeError, UsageError
from midframe.methods.madiff.codec import MotionAwareCodec
from midframe.methods.madiff.codec_loss import led_outside
from midframe.methods.madiff.config import FLOW_SCALE, MASK_SCALE, CodecConfig, CodecModelConfig, HintConfig
from midframe.methods.madiff.heads import DRAWN_LOGIT, PixelHead, gathered
from midframe.methods.madiff.hints import SimulatedHints
from midframe.methods.madiff.motion_warp import MotionWarp, pooled, turned_round
from small_madiff import FLOW, SMALL_CODEC, SMALL_FLOW_CODEC
from small_madiff_model import small_codec

EXACT = 1e-5
NOTHING = (torch.zeros(1, 18, 1, 1), torch.zeros(1, 18, 1, 1))
PAPER = CodecConfig(base_width=64, multiples=(1, 2, 2, 2, 4), codes=8192, window=8)
LDMVFI = replace(PAPER, warp="attention", head="kernels")


def motion_hint(right: float, down: float, logit: float) -> torch.Tensor:
    """Of a picture of 12 x 12 whose pixels all move alike."""
    values = torch.tensor([right / FLOW_SCALE, down / FLOW_SCALE, logit / MASK_SCALE])
    return values.view(1, 3, 1, 1).expand(1, 3, 12, 12)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def codec() -> MotionAwareCodec:
    torch.manual_seed(0)
    return MotionAwareCodec(SMALL_CODEC).eval()


def test_the_published_sizes_have_the_published_parameters():
    with torch.device("meta"):
        parent = MotionAwareCodec(LDMVFI)
        ours = MotionAwareCodec(PAPER)
    assert count(parent.encoder) == count(ours.encoder) == 6_833_925
    assert count(parent.quantiser) == 24_576
    # LDMVFI's class also holds a squeeze-and-excitation and a convolution that nothing calls.
    never_called = sum(20 * width**2 + width for width in LDMVFI.widths)
    assert count(parent.decoder) + never_called == 15_718_216


def test_the_paper_s_encoder_has_the_shapes_of_the_specification():
    with torch.device("meta"):
        encoder = MotionAwareCodec(PAPER).encoder
        latent, pyramid = encoder(torch.empty(1, 3, 256, 256))
    assert latent.shape == (1, 3, 8, 8)
    assert [tuple(level.shape[1:]) for level in pyramid] == [
        (64, 128, 128),
        (128, 64, 64),
        (128, 32, 32),
        (128, 16, 16),
        (256, 8, 8),
    ]
    assert PAPER.factor == 32
    assert PAPER.size_multiple == 256


@pytest.mark.parametrize("warp", ["motion", "attention"])
@pytest.mark.parametrize("head", ["plain", "pixels", "kernels"])
def test_a_frame_goes_through_with_every_choice_and_every_weight_is_reached(warp: str, head: str):
    config = replace(SMALL_CODEC, warp=warp, head=head)  # pyright: ignore[reportArgumentType]
    codec = MotionAwareCodec(config)
    before, target, after = torch.rand(3, 2, 3, 16, 24).unbind()
    hints = SimulatedHints()
    encoded = codec.encode(target)
    assert encoded.latent.shape == (2, 3, 4, 6)
    quantised = codec.quantise(encoded.latent)
    assert quantised.codes.shape == (2, 4, 6)
    made = codec.decode(
        quantised.latent,
        codec.encode(before).pyramid,
        codec.encode(after).pyramid,
        hints(before, target),
        hints(target, after),
        before,
        after,
    )
    assert made.shape == target.shape
    ((made - target).abs().mean() + quantised.loss).backward()
    assert [name for name, value in codec.named_parameters() if value.grad is None] == []


def test_no_hints_are_hints_of_zeros(codec: MotionAwareCodec):
    frames = torch.rand(1, 3, 16, 16)
    encoded = codec.encode(frames)
    nothing = torch.zeros(1, 18, 16, 16)
    with torch.no_grad():
        for layer in codec.modules():  # offsets that start at zero would hide a difference
            if isinstance(layer, nn.Conv2d) and layer.out_channels == 2:
                nn.init.normal_(layer.weight)
        arguments = encoded.latent, encoded.pyramid, encoded.pyramid
        without = codec.decode(*arguments, None, None, frames, frames)
        zeros = codec.decode(*arguments, nothing, nothing, frames, frames)
        some = codec.decode(*arguments, nothing + 1, nothing, frames, frames)
    assert torch.allclose(without, zeros, atol=EXACT)
    assert not torch.allclose(without, some, atol=1e-3)


def test_frames_that_do_not_divide_are_refused(codec: MotionAwareCodec):
    with pytest.raises(ShapeError, match="sides in multiples of 8; got \\(12, 16\\)"):
        codec.encode(torch.rand(1, 3, 12, 16))


@pytest.fixture
def warp() -> MotionWarp:
    """Offsets of zero, a gate of a half, and no residual."""
    torch.manual_seed(0)
    module = MotionWarp(SMALL_CODEC, 8, pixels=2).eval()
    nn.init.zeros_(module.residual[2].weight)  # pyright: ignore[reportArgumentType]
    nn.init.zeros_(module.residual[2].bias)  # pyright: ignore[reportArgumentType]
    return module


def test_unmoved_features_are_averaged(warp: MotionWarp):
    before, after = torch.rand(2, 1, 8, 6, 6).unbind()
    hint = torch.rand(1, 18, 12, 12)
    fused = warp(torch.rand(1, 8, 6, 6), before, after, hint, hint)
    assert torch.allclose(fused.features, (before + after) / 2, atol=EXACT)
    assert fused.offsets is not None
    assert not fused.offsets[0].any()


def test_a_constant_offset_moves_features_by_its_pixels(warp: MotionWarp):
    warp.to_before.layers[-1].bias.data = torch.tensor([1.0, 0.0])  # pyright: ignore[reportAttributeAccessIssue, reportArgumentType]
    warp.gate[-1].bias.data.fill_(50.0)  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
    before, after = torch.rand(2, 1, 8, 6, 6).unbind()
    hint = torch.zeros(1, 18, 12, 12)
    fused = warp(torch.rand(1, 8, 6, 6), before, after, hint, hint)
    assert torch.allclose(fused.features[..., :-1], before[..., 1:], atol=EXACT)
    assert torch.allclose(fused.features[..., -1], before[..., -1], atol=EXACT)


@pytest.fixture
def pixels() -> PixelHead:
    torch.manual_seed(0)
    return PixelHead(SMALL_CODEC).eval()


@torch.no_grad()
def test_a_head_of_pixels_begins_with_a_third_of_either_neighbour(pixels: PixelHead):
    h, before, after = torch.rand(1, 8, 6, 8), torch.rand(1, 3, 6, 8), torch.rand(1, 3, 6, 8)
    nn.init.zeros_(pixels.draw.weight)
    pixels.draw.bias.data.fill_(0.9)  # pyright: ignore[reportOptionalMemberAccess]
    finished = pixels(h, before, after, None, NOTHING)
    assert torch.allclose(finished.picture, (before + after + 0.9) / 3, atol=EXACT)
    assert not torch.stack(finished.offsets).any()


@torch.no_grad()
def test_a_head_of_pixels_goes_on_from_the_largest_level(pixels: PixelHead):
    """A level's pixel is two of the picture; its shares take all from the later neighbour."""
    h, before, after = torch.rand(1, 8, 6, 8), torch.rand(1, 3, 6, 8), torch.rand(1, 3, 6, 8)
    pixels.choose.bias.data = torch.tensor([0.0, 0, 0, 1, 0, 50, 0])
    one_right = torch.tensor([1.0, 0.0])[None, :, None, None].expand(1, 2, 3, 4)
    finished = pixels(h, before, after, (one_right, one_right), NOTHING)
    assert torch.equal(finished.offsets[1], torch.tensor([2.0, 1.0])[None, :, None, None].expand(1, 2, 6, 8))
    assert torch.allclose(finished.picture[..., :-1, :-2], after[..., 1:, 2:], atol=EXACT)


@torch.no_grad()
def test_a_level_begins_where_hints_lead_and_weighs_by_them():
    module = MotionWarp(SMALL_FLOW_CODEC, 8, pixels=2).eval()
    nn.init.zeros_(module.residual[2].weight)  # pyright: ignore[reportArgumentType]
    nn.init.zeros_(module.residual[2].bias)  # pyright: ignore[reportArgumentType]
    before, after = torch.rand(2, 1, 8, 6, 6).unbind()
    # Two pixels of the picture to the right, one of the level's; and of 1 to the other side.
    towards = motion_hint(2.0, 0.0, logit=MASK_SCALE)
    fused = module(torch.rand(1, 8, 6, 6), before, after, towards, motion_hint(0.0, 0.0, logit=-MASK_SCALE))
    weight = torch.sigmoid(torch.tensor(MASK_SCALE))
    expected = weight * before[..., 1:] + (1 - weight) * after[..., :-1]
    assert torch.allclose(fused.features[..., :-1], expected, atol=EXACT)
    assert fused.offsets is not None
    assert fused.offsets[0][0, :, 2, 2].tolist() == [1.0, 0.0]
    assert fused.changes is not None
    assert not torch.stack(fused.changes).any()


@torch.no_grad()
def test_an_anchored_head_of_pixels_begins_with_the_neighbours_moved_and_weighed():
    head = PixelHead(SMALL_FLOW_CODEC).eval()
    head.draw.bias.data.zero_()  # pyright: ignore[reportOptionalMemberAccess]
    nn.init.zeros_(head.draw.weight)
    before, after = torch.rand(2, 1, 3, 12, 12).unbind()
    hints = motion_hint(1.0, 0.0, logit=MASK_SCALE), motion_hint(0.0, -2.0, logit=-MASK_SCALE)
    finished = head(torch.rand(1, 8, 12, 12), before, after, None, hints)
    logits = torch.nn.functional.logsigmoid(torch.tensor([MASK_SCALE, -MASK_SCALE]))
    shares = torch.softmax(torch.cat((logits, torch.tensor([DRAWN_LOGIT]))), 0)
    expected = shares[0] * before[..., 2:, 1:] + shares[1] * after[..., :-2, :-1]
    assert torch.allclose(finished.picture[..., 2:, :-1], expected, atol=EXACT)


@torch.no_grad()
def test_hidden_motion_moves_nothing():
    """Zeros in place of hints, and hints of no motion whose weights are even, are the same to a decoder."""
    codec = small_codec(FLOW, SMALL_FLOW_CODEC).codec
    frames = torch.rand(3, 1, 3, 16, 16)
    latent, *pyramids = (codec.encode(frame) for frame in frames)
    made = [
        codec.decode(latent.latent, *(one.pyramid for one in pyramids), hint, hint, frames[1], frames[2])
        for hint in (None, torch.zeros(1, 3, 16, 16), torch.full((1, 3, 16, 16), 0.2))
    ]
    assert torch.allclose(made[0], made[1], atol=EXACT)
    assert not torch.allclose(made[0], made[2], atol=1e-3)


@torch.no_grad()
def test_a_moved_frame_comes_out_of_the_codec_as_it_went_in():
    """With offsets and shares that are known, pixels are the neighbour's own: nothing is lost in the latent."""
    codec = MotionAwareCodec(replace(SMALL_CODEC, head="pixels")).eval()
    target = torch.rand(1, 3, 16, 16)
    after = torch.roll(target, 1, 3)
    fuse = cast(MotionWarp, codec.decoder.fuse[-1])
    assert fuse.to_after is not None
    fuse.to_after.layers[-1].bias.data = torch.tensor([0.5, 0.0])  # pyright: ignore[reportAttributeAccessIssue, reportArgumentType]
    cast(PixelHead, codec.decoder.head).choose.bias.data = torch.tensor([0.0, 0, 0, 0, 0, 50, 0])
    encoded = codec.encode(target)
    made = codec.reconstruct(encoded.latent, encoded.pyramid, encoded.pyramid, None, None, target, after)
    assert torch.allclose(made.frames[..., :-1], target[..., :-1], atol=EXACT)
    assert [pair[0].shape[-1] for pair in made.offsets] == [4, 8, 16]


def test_displacements_that_leave_the_map_are_called_back():
    assert led_outside(torch.zeros(1, 2, 4, 8)).item() == 0
    away = torch.zeros(1, 2, 4, 8)
    away[:, 0] = 8.0  # a whole width to the right: columns 8 to 15 of 8
    away[:, 1, 3, 0] = -5.0  # two rows above the top
    away.requires_grad_()
    led = led_outside(away)
    assert led.item() == pytest.approx(sum(range(1, 9)) / 8 / 8 + 2 / 32 / 4)
    led.backward()
    assert away.grad is not None
    assert bool((away.grad[:, 0] > 0).all())
    assert away.grad[0, 1, 3, 0] < 0


def test_shared_offsets_see_the_later_hint_turned_round():
    torch.manual_seed(0)
    module = MotionWarp(replace(SMALL_CODEC, offsets="shared"), 8, pixels=2).eval()
    nn.init.normal_(module.to_before.layers[-1].weight)  # pyright: ignore[reportArgumentType]
    features, h, hint = torch.rand(1, 8, 4, 4), torch.rand(1, 8, 4, 4), torch.rand(1, 18, 4, 4)
    offsets = module(h, features, features, hint, turned_round(hint)).offsets
    assert offsets is not None
    assert torch.allclose(*offsets, atol=EXACT)
    assert torch.equal(turned_round(turned_round(hint)), hint)
    assert torch.equal(turned_round(hint)[:, 0], hint[:, 17])


def test_a_single_event_survives_at_the_smallest_size():
    volume = torch.zeros(1, 18, 64, 64)
    volume[0, 3, 37, 5] = 1
    small = pooled(volume, (2, 2))
    assert small[0, 3, 1, 0] == pytest.approx(1 / 1024)
    assert float(small.sum()) == pytest.approx(1 / 1024)


def test_kernels_of_one_tap_fetch_the_pixel_they_point_at():
    picture = torch.rand(1, 3, 5, 7)
    weights = torch.zeros(1, 9, 5, 7)
    weights[:, 4] = 1
    still = torch.zeros(1, 9, 5, 7)
    assert torch.allclose(gathered(picture, weights, still, still), picture, atol=EXACT)
    # One tap to the upper left of the middle, moved two rows down and one column right: one row down.
    weights = weights.roll(-4, 1)
    moved = gathered(picture, weights, still + 2, still + 1)
    assert torch.allclose(moved[:, :, :-1], picture[:, :, 1:], atol=EXACT)
    assert torch.allclose(moved[:, :, -1], picture[:, :, -1], atol=EXACT)


def test_configurations_that_contradict_themselves_are_refused():
    with pytest.raises(UsageError, match="must be odd"):
        CodecConfig(kernel_size=4)
    with pytest.raises(UsageError, match="hints must be event volumes"):
        CodecConfig(offsets="shared", hint_channels=3)
    with pytest.raises(UsageError, match="starts displacements at a flow"):
        CodecConfig(anchor="hint")
    with pytest.raises(UsageError, match="multiple of 8"):
        CodecConfig(base_width=12)
    with pytest.raises(UsageError, match="have 3 channels; the codec expects 18"):
        CodecModelConfig(hints=HintConfig(kind="flow"))
