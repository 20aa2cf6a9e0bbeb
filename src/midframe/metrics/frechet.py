"""The Fréchet distance between two sets of features, and the running moments that it is computed from."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from midframe.core.errors import ShapeError, UsageError

Mean = Float64[Tensor, " dimension"]
Covariance = Float64[Tensor, "dimension dimension"]


class FeatureMoments:
    """Mean and covariance of features that arrive batch by batch, in float64.

    Batches are merged about their own means, so that a large common offset costs no precision.

    Source: Chan, Golub & LeVeque 1983, "Algorithms for computing the sample variance".
    """

    def __init__(self) -> None:
        self.count = 0
        self._mean: Tensor | None = None
        self._scatter: Tensor | None = None

    def add(self, features: Float[Tensor, "count dimension"]) -> None:
        """Take in one batch.

        Raises:
            ShapeError: Not the dimension of the batches before.
        """
        batch = features.detach().cpu().double()
        added = batch.shape[0]
        if added == 0:
            return
        batch_mean = batch.mean(dim=0)
        centred = batch - batch_mean
        if self._mean is None or self._scatter is None:
            self.count, self._mean, self._scatter = added, batch_mean, centred.T @ centred
            return
        if batch_mean.shape != self._mean.shape:
            raise ShapeError(f"Features of {len(batch_mean)} values follow features of {len(self._mean)} values.")
        total = self.count + added
        difference = batch_mean - self._mean
        self._scatter += centred.T @ centred
        self._scatter.addr_(difference, difference, alpha=self.count * added / total)
        self._mean = self._mean + difference * (added / total)
        self.count = total

    def moments(self) -> tuple[Mean, Covariance]:
        """Mean and unbiased covariance of everything taken in.

        Raises:
            UsageError: Fewer than two features.
        """
        if self._mean is None or self._scatter is None or self.count < 2:
            raise UsageError(f"A Fréchet distance needs at least two pictures or clips; got {self.count}.")
        return self._mean, self._scatter / (self.count - 1)


def frechet_distance(mean: Mean, covariance: Covariance, other_mean: Mean, other_covariance: Covariance) -> float:
    """Squared Fréchet distance between two Gaussians, as FID and FVD report it.

    |m₁ - m₂|² + tr C₁ + tr C₂ - 2 tr (C₁ C₂)^½

    Raises:
        ShapeError: The moments differ in dimension.

    Source: Dowson & Landau 1982; Heusel et al. 2017, "GANs trained by a two time-scale update rule".
    """
    if not mean.shape == other_mean.shape == covariance.shape[:1] == other_covariance.shape[:1]:
        raise ShapeError(
            f"Moments of one dimension are needed; got {tuple(mean.shape)} and {tuple(other_mean.shape)}."
        )
    # With C = R Rᵀ the eigenvalues of C₁ C₂ are the squared singular values of R₁ᵀ R₂. Summing these takes no root
    # of a product's rounding noise, and needs no offset where a set has fewer members than dimensions.
    overlap = torch.linalg.svdvals(_root(covariance).T @ _root(other_covariance)).sum()
    traces = covariance.trace() + other_covariance.trace()
    distance = (mean - other_mean).square().sum() + traces - 2 * overlap
    return max(distance.item(), 0.0)  # It is a square; rounding can leave a hair below zero.


def _root(covariance: Covariance) -> Covariance:
    """R with covariance = R Rᵀ."""
    values, vectors = torch.linalg.eigh((covariance + covariance.T) / 2)
    return vectors * values.clamp(min=0).sqrt()
