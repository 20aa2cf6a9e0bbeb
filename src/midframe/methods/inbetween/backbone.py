"""The only file that sees diffusers and transformers: their classes built, loaded, and behind a few calls.

Stable Video Diffusion comes from a folder, or from the cache of the Hugging Face hub, exactly as it was published; a
small model of the same classes comes from its configuration. Nothing here is a copy of the library's pipeline or
scheduler: sampling is `sample.py`'s.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor, nn

from midframe.core.errors import MissingExtraError, UsageError, WeightsError
from midframe.methods.inbetween.attention import Pass, TwoWayNetwork, temporal_layers
from midframe.methods.inbetween.config import VALUE_AND_OUTPUT, SmallConfig, VideoFacts

REPOSITORY = "stabilityai/stable-video-diffusion-img2vid-xt"
"""The model for 25 frames."""
REPOSITORY_14 = "stabilityai/stable-video-diffusion-img2vid"
"""The one for 14 frames, which Algorithm 1 trains."""
LICENCE = (
    "its own licence, 'stable-video-diffusion-community', which is not this package's: read LICENSE in the "
    "repository, commercial use may need an agreement with Stability AI"
)
DOWNLOAD = (
    f"Download {REPOSITORY} from Hugging Face (about 4.6 GB: model_index.json and the folders unet, vae, "
    "image_encoder and scheduler, of the weights the files *.fp16.safetensors) into a folder, and name that folder "
    f"with --weights. It is under {LICENCE}."
)
PARTS = ("unet", "vae", "image_encoder", "scheduler")
BACKWARD_FILE = "backward.safetensors"
"""The backward model beside the parts of a folder."""
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_SPREAD = (0.26862954, 0.26130258, 0.27577711)
ENCODED_PIXELS = 4 * 576 * 1024
"""Of the pictures that are encoded together."""
GROUP_CHANNELS = 16
"""Normalised together in a small U-Net."""
SVD_ATTENDS = 3
"""Levels of the full U-Net with attention: all but the deepest."""

Part = TypeVar("Part", bound=nn.Module)

Pictures = Float[Tensor, "batch 3 height width"]
Clip = Float[Tensor, "batch frame 3 height width"]
Latents = Float[Tensor, "batch frame channel rows columns"]


@dataclass(frozen=True, eq=False)
class Condition:
    """What the network is told beside the noisy clip.

    Attributes:
        latent: (batch, channel, rows, columns), of the conditioning picture, not scaled.
        embedding: (batch, 1, width), of the same picture.
        facts: (batch, 3): rate less one, motion, augmentation.
    """

    latent: Tensor
    embedding: Tensor
    facts: Tensor

    def nothing(self) -> Condition:
        """As if no picture were given, for guidance."""
        return Condition(torch.zeros_like(self.latent), torch.zeros_like(self.embedding), self.facts)

    @staticmethod
    def join(*conditions: Condition) -> Condition:
        """One batch of several."""
        return Condition(
            torch.cat([one.latent for one in conditions]),
            torch.cat([one.embedding for one in conditions]),
            torch.cat([one.facts for one in conditions]),
        )


class VideoModel:
    """An image-to-video model with everything around its U-Net.

    Args:
        network: The U-Net, for both directions.
        codec: The library's autoencoder with a temporal decoder.
        image_encoder: The library's image encoder with a projection.
        facts: What sampling has to know.
        device: Where the parts compute.
        offload: Keep each part on the CPU while another one works.
    """

    def __init__(
        self,
        network: TwoWayNetwork,
        codec: nn.Module,
        image_encoder: nn.Module,
        facts: VideoFacts,
        *,
        device: torch.device | None = None,
        offload: bool = False,
    ) -> None:
        self.network, self.codec, self.image_encoder = network, codec, image_encoder
        self.facts, self.offload = facts, offload
        self.device = device or torch.device("cpu")
        for part in (network, codec, image_encoder):
            part.to("cpu" if offload else self.device)

    @contextmanager
    def at_work(self, part: nn.Module) -> Iterator[None]:
        """A part is where it computes inside the block, and makes room behind it where parts are offloaded."""
        if not self.offload:
            yield
            return
        part.to(self.device)
        try:
            yield
        finally:
            part.to("cpu")
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    @property
    def latent_channels(self) -> int:
        return cast(Any, self.network.unet).config.out_channels

    @property
    def multiple(self) -> int:
        """What height and width of a frame have to be multiples of."""
        return self.facts.latent_factor * 2 ** (len(cast(Any, self.network.unet).config.block_out_channels) - 1)

    def condition(self, pictures: Pictures, noise: Tensor | None = None, *, keep_gradient: bool = False) -> Condition:
        """What the network is told of conditioning pictures.

        Args:
            pictures: RGB in [0, 1], of the clip's size.
            noise: Of unit variance, the pictures' shape; scaled by the augmentation and added to what the codec sees.
            keep_gradient: Let the image encoder learn.
        """
        signed = pictures.float() * 2 - 1
        seen = signed if noise is None else signed + self.facts.augmentation * noise
        with torch.no_grad(), self.at_work(self.codec):
            # The mode of the posterior, and not scaled: the network was trained on it so.
            latent = self._posterior(seen).mode()
        with torch.set_grad_enabled(keep_gradient and torch.is_grad_enabled()):
            embedding = self.embed(pictures)
        told = (self.facts.rate - 1, self.facts.motion, self.facts.augmentation)
        facts = torch.tensor([told], dtype=torch.float32, device=pictures.device)
        return Condition(latent.float(), embedding.float(), facts.expand(len(pictures), -1))

    def embed(self, pictures: Pictures) -> Tensor:
        """The image encoder's answer, (batch, 1, width)."""
        side = self.facts.picture_size
        small = functional.interpolate(
            pictures.float(), size=(side, side), mode="bicubic", align_corners=False, antialias=True
        )
        mean, spread = (
            torch.tensor(values, device=small.device)[:, None, None] for values in (CLIP_MEAN, CLIP_SPREAD)
        )
        with self.at_work(self.image_encoder):
            normal = ((small - mean) / spread).to(_format(self.image_encoder))
            return cast(Any, self.image_encoder(normal)).image_embeds[:, None]

    def posterior(self, frames: Clip) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the scaled latents of frames in [0, 1], each shaped as `Latents`."""
        signed = frames.flatten(0, 1).float() * 2 - 1
        # The encoder sees one picture at a time in any case, and takes three quarters of a gigabyte for a large one.
        at_once = max(ENCODED_PIXELS // (frames.shape[-2] * frames.shape[-1]), 1)
        with self.at_work(self.codec):
            found = [self._posterior(part) for part in signed.split(at_once)]
        shape, scale = frames.shape[:2], self.facts.latent_scale
        mean, spread = (torch.cat([getattr(one, name).float() for one in found]) for name in ("mean", "std"))
        return scale * mean.unflatten(0, shape), scale * spread.unflatten(0, shape)

    def encode(self, frames: Clip, generator: torch.Generator | None = None) -> Latents:
        """Scaled latents of a clip in [0, 1], drawn from the posterior."""
        mean, spread = self.posterior(frames)
        return mean + spread * torch.randn(mean.shape, generator=generator, device=mean.device)

    def decode(self, latents: Latents, chunk: int | None = None) -> Clip:
        """Frames of scaled latents, not clamped.

        Args:
            latents: Of whole clips.
            chunk: Frames at a time: fewer take less memory, and may flicker at the ends of a chunk. None for all.
        """
        with self.at_work(self.codec):
            kind = _format(self.codec)
            parts = [
                self._decoded((part / self.facts.latent_scale).to(kind))
                for part in latents.split(chunk or latents.shape[1], dim=1)
            ]
        return torch.cat(parts, 1).float() * 0.5 + 0.5

    def velocity(self, noisy: Latents, sigma: Tensor, condition: Condition, way: Pass | None = None) -> Latents:
        """What the network predicts, in float32.

        Args:
            noisy: clean + sigma * epsilon.
            sigma: (batch,).
            condition: Of each clip of the batch.
            way: See `TwoWayNetwork`.
        """
        # In float32: at sigma 700 half precision has hardly any digits left.
        scaled = noisy.float() * (sigma.square() + 1).rsqrt()[:, None, None, None, None]
        repeated = condition.latent[:, None].expand(-1, noisy.shape[1], -1, -1, -1)
        kind = _format(self.network)
        features = torch.cat((scaled, repeated), 2).to(kind)
        embedding, facts = condition.embedding.to(kind), condition.facts.to(kind)
        return self.network(features, sigma.log() / 4, embedding, facts, way).float()

    def _posterior(self, signed: Pictures) -> Any:
        """Of pictures in [-1, 1]; in float32 where the codec asks for it."""
        codec = cast(Any, self.codec)
        kind = _format(self.codec)
        upcast = kind == torch.float16 and bool(codec.config.force_upcast)
        if upcast:
            change_format(codec, torch.float32)
        folded = functional.pixel_unshuffle(signed, self.facts.patch)
        found = codec.encode(folded.to(torch.float32 if upcast else kind)).latent_dist
        if upcast:
            change_format(codec, kind)
        return found

    def _decoded(self, latents: Latents) -> Clip:
        frames = latents.shape[1]
        folded = cast(Any, self.codec).decode(latents.flatten(0, 1), num_frames=frames).sample
        return functional.pixel_shuffle(folded, self.facts.patch).unflatten(0, (-1, frames))


def _format(part: nn.Module) -> torch.dtype:
    return next(part.parameters()).dtype


def change_format(part: Part, precision: torch.dtype) -> Part:
    """A network's numbers in another format: past the library's own `to`, which warns each time."""
    return cast(Part, nn.Module.to(part, precision))


def _colour(values: tuple[float, float, float], like: Tensor) -> Tensor:
    return torch.tensor(values, device=like.device)[:, None, None]


def check_extra() -> None:
    """Refuse to go on without the libraries.

    Raises:
        MissingExtraError: The extra `svd` is not installed.
    """
    try:
        import diffusers  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("Generative inbetweening", "diffusers and transformers", "svd") from error


def _diffusers() -> Any:
    """The library, whose classes have tuples of one length in their types and of another in use."""
    check_extra()
    import diffusers

    return diffusers


def build_unet(config: SmallConfig | None = None) -> nn.Module:
    """The U-Net of a small model, or with None that of Stable Video Diffusion, untrained.

    Raises:
        MissingExtraError: See `check_extra`.
    """
    kind = _diffusers().UNetSpatioTemporalConditionModel
    if config is None:
        return kind(**_svd_unet())
    down = ["CrossAttnDownBlockSpatioTemporal" if on else "DownBlockSpatioTemporal" for on in config.attends]
    up = ["CrossAttnUpBlockSpatioTemporal" if on else "UpBlockSpatioTemporal" for on in reversed(config.attends)]
    sinusoid = 32
    unet = kind(
        in_channels=2 * config.latent_channels,
        out_channels=config.latent_channels,
        down_block_types=tuple(down),
        up_block_types=tuple(up),
        block_out_channels=config.widths,
        addition_time_embed_dim=sinusoid,
        projection_class_embeddings_input_dim=3 * sinusoid,
        layers_per_block=config.layers,
        cross_attention_dim=config.embedding,
        num_attention_heads=config.heads,
        num_frames=config.frames,
    )
    # The library fixes 32 groups: of two or three channels here, which would take each channel's mean and size away.
    for layer in unet.modules():
        if isinstance(layer, nn.GroupNorm):
            layer.num_groups = max(layer.num_channels // GROUP_CHANNELS, 1)
        if isinstance(layer, nn.Conv3d):
            layer.__class__ = _TimeConvolution
    return unet


class _TimeConvolution(nn.Conv3d):
    """A convolution over three frames, as one in the plane of frames and pixels, which is faster on a CPU."""

    def forward(self, input: Tensor) -> Tensor:
        assert (self.kernel_size, self.padding) == ((3, 1, 1), (1, 0, 0))
        assert self.stride == self.dilation == (1, 1, 1)
        flat = functional.conv2d(input.flatten(3), self.weight.flatten(3), self.bias, padding=(1, 0))
        return flat.unflatten(3, input.shape[3:])


def build_codec(config: SmallConfig | None = None) -> nn.Module:
    """The codec of a small model, or that of Stable Video Diffusion, untrained; errors as `build_unet`."""
    kind = _diffusers().AutoencoderKLTemporalDecoder
    if config is None:
        return kind(
            down_block_types=("DownEncoderBlock2D",) * 4,
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
            latent_channels=4,
            sample_size=768,
        )
    channels = 3 * config.patch**2
    codec = kind(
        in_channels=channels,
        out_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * len(config.codec_widths),
        block_out_channels=config.codec_widths,
        layers_per_block=config.codec_layers,
        latent_channels=config.latent_channels,
        sample_size=config.size // config.patch,
    )
    _drop_normalisation(codec)
    return codec


def _drop_normalisation(part: nn.Module) -> None:
    """Leave out every group normalisation.

    What a picture's own mean and contrast are is what it takes away, and a small codec, trained for minutes, does not
    find another way for them: it stays at grey pictures.
    """
    for name, child in part.named_children():
        if isinstance(child, nn.GroupNorm):
            setattr(part, name, nn.Identity())
        else:
            _drop_normalisation(child)


def build_image_encoder(config: SmallConfig | None = None) -> nn.Module:
    """The image encoder of a small model, or that of Stable Video Diffusion, untrained; errors as `build_unet`."""
    check_extra()
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    if config is None:
        size = CLIPVisionConfig(
            hidden_size=1280,
            intermediate_size=5120,
            num_hidden_layers=32,
            num_attention_heads=16,
            patch_size=14,
            image_size=224,
            projection_dim=1024,
            hidden_act="gelu",
        )
    else:
        size = CLIPVisionConfig(
            hidden_size=config.encoder_width,
            intermediate_size=2 * config.encoder_width,
            num_hidden_layers=config.encoder_layers,
            num_attention_heads=config.heads,
            patch_size=config.size // 8,
            image_size=config.size,
            projection_dim=config.embedding,
        )
    return CLIPVisionModelWithProjection(size)


def _svd_unet() -> dict[str, Any]:
    # The library's defaults, but for the heads.
    return {"num_attention_heads": (5, 10, 20, 20)}


def count_trainable(unet: dict[str, Any] | None = None) -> int:
    """Parameters that Algorithm 1 trains, from a U-Net's configuration alone.

    Args:
        unet: Arguments of the library's class; None for Stable Video Diffusion.
    """
    kind = _diffusers().UNetSpatioTemporalConditionModel
    with torch.device("meta"):
        network = kind(**(_svd_unet() if unet is None else unet))
    shapes = network.state_dict()
    return sum(
        shapes[f"{layer}.{projection}.weight"].numel()
        for layer in temporal_layers(network.attn_processors)
        for projection in VALUE_AND_OUTPUT
    )


def find_folder(weights: Path | str | None, repository: str = REPOSITORY) -> Path:
    """The folder of a published model: one that is named, or the hub's cache of a repository.

    Args:
        weights: A folder, or `owner/name` of a repository that was downloaded before; None for `repository`.
        repository: See above.

    Raises:
        MissingExtraError: The extra `svd` is not installed.
        WeightsError: Neither is there, or parts are missing; says what to download, and its licence.
    """
    check_extra()
    if weights is not None and Path(weights).is_dir():
        folder = Path(weights)
    else:
        if weights is not None and len(Path(weights).parts) != 2:
            raise WeightsError(f"There is no folder {weights}. {DOWNLOAD}")
        folder = _cached(repository if weights is None else Path(weights).as_posix())
    missing = [part for part in PARTS if not (folder / part).is_dir()]
    if missing:
        raise WeightsError(f"{folder} lacks {', '.join(missing)}. {DOWNLOAD}")
    return folder


def _cached(repository: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return Path(snapshot_download(repository, local_files_only=True))
    except (OSError, ValueError, HfHubHTTPError, HFValidationError) as error:
        raise WeightsError(f"{repository} is not in this machine's Hugging Face cache. {DOWNLOAD}") from error


def read_facts(folder: Path) -> VideoFacts:
    """What sampling has to know of a published model.

    Raises:
        WeightsError: A configuration is missing or damaged.
    """
    try:
        unet, codec, encoder, scheduler = (
            json.loads((folder / part / name).read_text(encoding="utf-8"))
            for part, name in (
                ("unet", "config.json"),
                ("vae", "config.json"),
                ("image_encoder", "config.json"),
                ("scheduler", "scheduler_config.json"),
            )
        )
        return VideoFacts(
            frames=unet["num_frames"],
            height=576,
            width=1024,
            latent_scale=codec["scaling_factor"],
            latent_factor=2 ** (len(codec["block_out_channels"]) - 1),
            picture_size=encoder.get("image_size", 224),
            sigma_least=scheduler.get("sigma_min") or 0.002,
            sigma_most=scheduler.get("sigma_max") or 700.0,
        )
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(f"{folder} is no folder of Stable Video Diffusion: {error}. {DOWNLOAD}") from error


def load_part(folder: Path, part: str, precision: torch.dtype) -> nn.Module:
    """One network of a published model, as it is.

    Args:
        folder: See `find_folder`.
        part: "unet", "vae" or "image_encoder".
        precision: Number format.

    Raises:
        WeightsError: It is missing or damaged.
    """
    library = _diffusers()
    from transformers import CLIPVisionModelWithProjection

    kinds: dict[str, Any] = {
        "unet": library.UNetSpatioTemporalConditionModel,
        "vae": library.AutoencoderKLTemporalDecoder,
        "image_encoder": CLIPVisionModelWithProjection,
    }
    # Half the bytes on disk, where they were downloaded.
    short = any((folder / part).glob("*.fp16.safetensors"))
    word = "dtype" if part == "image_encoder" else "torch_dtype"
    options = {word: precision, "local_files_only": True, **({"variant": "fp16"} if short else {})}
    try:
        with _quietly():
            network = kinds[part].from_pretrained(folder / part, **options)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise WeightsError(f"{folder / part} cannot be loaded: {error}. {DOWNLOAD}") from error
    # The library leaves what a file lacks without numbers, and says nothing.
    missing = [name for name, value in network.named_parameters() if value.is_meta]
    if missing:
        raise WeightsError(f"{folder / part} lacks {len(missing)} weights, among them {missing[0]}. {DOWNLOAD}")
    return network.eval().requires_grad_(False)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the library's bars, which a caller that shows its own does not want."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.enable_progress_bar()


def load_video_model(
    folder: Path, *, device: torch.device, precision: torch.dtype, offload: bool = False
) -> VideoModel:
    """Stable Video Diffusion from its folder, the backward model not yet set.

    Raises:
        WeightsError: A part is missing or damaged.
    """
    facts = read_facts(folder)
    parts = {part: load_part(folder, part, precision) for part in ("unet", "vae", "image_encoder")}
    return VideoModel(
        TwoWayNetwork(parts["unet"]),
        parts["vae"],
        parts["image_encoder"],
        facts,
        device=device,
        offload=offload,
    )


def build_small(config: SmallConfig, latent_scale: float = 1.0, *, device: torch.device | None = None) -> VideoModel:
    """A small model, untrained."""
    return VideoModel(
        TwoWayNetwork(build_unet(config)),
        build_codec(config),
        build_image_encoder(config),
        config.facts(latent_scale),
        device=device,
    )


def checkpoint_gradients(network: TwoWayNetwork, function: Callable[..., Any] | None = None) -> None:
    """Keep fewer features for the backward pass of training, and compute them again.

    Args:
        network: Put into training mode too: without it the library keeps all features. It has no dropout.
        function: Takes the place of the library's own checkpointing.

    Raises:
        UsageError: The network does not know it.
    """
    unet = cast(Any, network.unet)
    if not hasattr(unet, "enable_gradient_checkpointing"):
        raise UsageError("This network does not know gradient checkpointing.")
    unet.enable_gradient_checkpointing(function)
    network.train()
