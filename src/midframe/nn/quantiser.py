"""Vector quantisation: every latent pixel becomes the nearest code of a learned book."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as distributed
import torch.nn.functional as functional
from jaxtyping import Float, Int
from torch import Tensor, nn

REVIVE_EVERY = 100
"""Training batches between two looks at which codes were used."""
LATENTS_AT_ONCE = 4096
"""Latent pixels whose distances to all codes are held in memory together."""


@dataclass(frozen=True, eq=False)
class Quantised:
    """Latents made of codes.

    Attributes:
        latent: Each pixel's nearest code; its gradient is handed to the unquantised latent unchanged.
        codes: Number of that code.
        loss: What pulls latents and codes together.
    """

    latent: Float[Tensor, "batch channel height width"]
    codes: Int[Tensor, "batch height width"]
    loss: Float[Tensor, ""]


class VectorQuantiser(nn.Module):
    """A book of codes, with a count of how often training used each.

    A code that none of `REVIVE_EVERY` training batches used becomes a latent of the current batch; at the first batch
    that is all of them.

    Args:
        size: Number of codes.
        channels: Of a latent pixel.
        commitment: Factor of one of the two terms of the loss.
        legacy: Whether the factor lies on the term that moves codes, as in the library that published models were
            trained with, or on the one that moves latents, as van den Oord et al. define it.

    Source: van den Oord et al. 2017, equation 3.
    """

    def __init__(self, size: int, channels: int, *, commitment: float = 0.25, legacy: bool = True) -> None:
        super().__init__()
        self.commitment, self.legacy = commitment, legacy
        self.book = nn.Embedding(size, channels)
        nn.init.uniform_(self.book.weight, -1 / size, 1 / size)
        self.uses: Tensor
        self.register_buffer("uses", torch.zeros(size, dtype=torch.int64))
        self.batches: Tensor
        self.register_buffer("batches", torch.tensor(REVIVE_EVERY))

    def forward(self, latent: Float[Tensor, "batch channel height width"]) -> Quantised:
        latent = latent.float()
        pixels = latent.permute(0, 2, 3, 1)
        if self.training:
            self._revive(pixels.detach().flatten(0, 2))
        codes = self.nearest(pixels.detach())
        if self.training:
            self._count(codes)
        chosen = functional.embedding(codes, self.book.weight).permute(0, 3, 1, 2)
        moves_latents = (chosen.detach() - latent).square().mean()
        moves_codes = (chosen - latent.detach()).square().mean()
        if self.legacy:
            loss = moves_latents + self.commitment * moves_codes
        else:
            loss = self.commitment * moves_latents + moves_codes
        return Quantised(latent + (chosen - latent).detach(), codes, loss)

    @torch.no_grad()
    def looked_up(
        self, latent: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel height width"]:
        """The nearest code for every pixel, without a gradient, and without counting as a use of it."""
        codes = self.nearest(latent.float().permute(0, 2, 3, 1))
        return functional.embedding(codes, self.book.weight).permute(0, 3, 1, 2)

    @torch.no_grad()
    def nearest(self, pixels: Float[Tensor, "*place channel"]) -> Int[Tensor, "*place"]:
        """Number of the code with the smallest squared distance."""
        book = self.book.weight.float()
        lengths = book.square().sum(1)
        # |z - e|² = |z|² - 2 z.e + |e|², and |z|² is the same for all codes.
        parts = pixels.flatten(0, -2).float().split(LATENTS_AT_ONCE)
        # Rounded to bfloat16, the products would name a neighbour of the nearest code.
        with torch.autocast(pixels.device.type, enabled=False):
            return torch.cat([(lengths - 2 * part @ book.T).argmin(1) for part in parts]).view(pixels.shape[:-1])

    def share_in_use(self) -> float:
        """Part of the codes used since the last look for dead ones."""
        return float((self.uses > 0).float().mean())

    def _count(self, codes: Tensor) -> None:
        found = torch.bincount(codes.flatten(), minlength=len(self.uses))
        if distributed.is_initialized():
            distributed.all_reduce(found)
        self.uses += found
        self.batches += 1

    @torch.no_grad()
    def _revive(self, latents: Float[Tensor, "pixel channel"]) -> None:
        """Before the book is read: a code changed after that would not be the one that the gradient is of."""
        if int(self.batches) < REVIVE_EVERY:
            return
        dead = self.uses == 0
        drawn = latents[torch.randint(len(latents), (len(dead),)).to(latents.device)]
        if distributed.is_initialized():
            distributed.broadcast(drawn, 0)  # Every process saw other latents, and all keep one book.
        self.book.weight[dead] = drawn[dead].to(self.book.weight.dtype)
        self.uses.zero_()
        self.batches.zero_()
