"""Gray and brightness, on bytes just as Pillow computes them, and gray on normalised images."""

from __future__ import annotations

from jaxtyping import Float, UInt8
from torch import Tensor

__all__ = ["brighten", "grayscale", "luma"]


def grayscale(images: UInt8[Tensor, "b 3 h w"]) -> UInt8[Tensor, "b 3 h w"]:
    """ITU-R 601 luma in all three channels, to the bit as Pillow's mode L."""
    red, green, blue = images.int().unbind(1)
    # 0.299, 0.587 and 0.114 in 16-bit fixed point, and a half to round
    gray = red.mul_(19595).add_(green, alpha=38470).add_(blue, alpha=7471).add_(0x8000).bitwise_right_shift_(16)
    return gray.byte()[:, None].expand_as(images)


def brighten(images: UInt8[Tensor, "b 3 h w"], factors: Float[Tensor, " b"]) -> Float[Tensor, "b 3 h w"]:
    """Multiply each image by its factor, clip at 255 and drop the fraction, as Pillow's brightness does.

    Args:
        images: bytes.
        factors: one an image, at least 0; 1 changes nothing.

    Returns:
        Whole numbers 0 to 255, as floats: what follows them counts in floats.
    """
    own = factors.to(images.device, non_blocking=True)[:, None, None, None]
    return images.float().mul_(own).clamp_(max=255).trunc_()


def luma(images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """0.2989 R + 0.5870 G + 0.1140 B in all three channels, as the field's augmentations do on normalised images."""
    red, green, blue = images.unbind(1)
    return (red * 0.2989).add_(green, alpha=0.5870).add_(blue, alpha=0.1140)[:, None].expand_as(images)
