"""How close a synthesised frame is to the true one: pure functions of two 8-bit RGB frames.

A prediction is rounded to 8 bit before it is scored (`ops.rounding.round_to_bytes`), as viewers would see it.
"""

from midframe.metrics.difference import interpolation_error, psnr, psnr_luma
from midframe.metrics.similarity import ssim, ssim_3d, ssim_luma

__all__ = ["interpolation_error", "psnr", "psnr_luma", "ssim", "ssim_3d", "ssim_luma"]
