"""What a picture shows around points: patches, how alike two are, and whether they have texture to go by."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

QUIET = 2.0  # grey levels of 255 whose square keeps the likeness of two flat patches from being that of their noise


def patches(image: Float[Tensor, "c h w"], places: Float[Tensor, "n 2"], size: int) -> Float[Tensor, "c n k"]:
    """The size x size values around each place (x, y in pixels), bilinear; the border goes on beyond the picture."""
    steps = torch.arange(size, dtype=image.dtype) - (size - 1) / 2
    around = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1).reshape(-1, 2)
    extent = torch.tensor([image.shape[2], image.shape[1]], dtype=image.dtype)
    grid = (places[:, None].to(image) + around) / extent * 2 - 1
    return F.grid_sample(image[None], grid[None], padding_mode="border", align_corners=False)[0]


def resemblance(first: Float[Tensor, "c n k"], second: Float[Tensor, "c n k"]) -> Float[Tensor, "n"]:
    """From -1 to 1: the contrast and structure of SSIM (Wang 2004), all channels together; blind to brightness.

    Values are in grey levels. 1 for two flat patches, near 0 for a flat one and one with texture.
    """
    first, second = (values - values.mean(-1, keepdim=True) for values in (first, second))
    power = (first**2).mean(-1).sum(0) + (second**2).mean(-1).sum(0)
    return (2 * (first * second).mean(-1).sum(0) + QUIET**2) / (power + QUIET**2)


def texture(
    image: Float[Tensor, "c h w"], places: Float[Tensor, "n 2"], size: int
) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"]]:
    """How much the picture changes per pixel around places, along the direction of least and of most change.

    Root mean squares over size x size pixels, in the picture's units: the roots of the structure tensor's eigenvalues.
    """
    right = F.pad((image[:, :, 2:] - image[:, :, :-2]) / 2, (1, 1))
    down = F.pad((image[:, 2:] - image[:, :-2]) / 2, (0, 0, 1, 1))
    tensor = torch.stack([(right**2).sum(0), (right * down).sum(0), (down**2).sum(0)])
    tensor = F.avg_pool2d(tensor[None], size, stride=1, padding=size // 2)[0]
    xx, xy, yy = patches(tensor, places, 1)[..., 0]
    middle, radius = (xx + yy) / 2, (((xx - yy) / 2) ** 2 + xy**2).sqrt()
    return (middle - radius).clamp(min=0).sqrt(), (middle + radius).sqrt()
