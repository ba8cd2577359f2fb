"""Structural similarity, window by window."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d

WINDOW, DEVIATION = 11, 1.5  # pixels, of the gaussian
STEADY_MEAN, STEADY_VARIANCE = 0.01**2, 0.03**2  # for values with a range of 1


def structural_similarity(first: Float[Tensor, "*batch h w"], second: Float[Tensor, "*batch h w"]) -> Tensor:
    """SSIM (Wang et al. 2004) of each window inside the image, for values with a range of 1 (colour in [0, 1], metres):
    [*batch h-10 w-10].

    Written out, since importing torchmetrics takes longer than all the rest of a fast test.
    """
    offset = torch.arange(WINDOW, dtype=first.dtype, device=first.device) - WINDOW // 2
    gaussian = torch.exp(-offset.square() / (2 * DEVIATION**2))
    gaussian = gaussian / gaussian.sum()
    products = torch.stack([first, second, first.square(), second.square(), first * second])
    maps = products.view(-1, 1, *first.shape[-2:])
    blurred = conv2d(conv2d(maps, gaussian.view(1, 1, -1, 1)), gaussian.view(1, 1, 1, -1))
    blurred = blurred.view(*products.shape[:-2], *blurred.shape[-2:])

    mean_1, mean_2 = blurred[0], blurred[1]
    variances = blurred[2] - mean_1.square() + blurred[3] - mean_2.square()
    covariance = blurred[4] - mean_1 * mean_2
    luminance = (2 * mean_1 * mean_2 + STEADY_MEAN) / (mean_1.square() + mean_2.square() + STEADY_MEAN)
    return luminance * (2 * covariance + STEADY_VARIANCE) / (variances + STEADY_VARIANCE)
