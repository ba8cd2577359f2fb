"""Losses on latents: of video diffusion (EDM, v-prediction), and of a single step."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.losses.base import known_pairs, masked_mean

Latents = Float[Tensor, "b t d y x"]
Mask = Bool[Tensor, "b t h w"]


def latent_loss(predicted: Latents, target: Latents, valid: Mask) -> Float[Tensor, ""]:
    """The mean squared difference over the latent cells all of whose pixels are valid.

    Of velocities, |F - v|^2, it equals the weighted loss on clean latents, (1 + sigma^2) / sigma^2 |x0_hat - x0|^2
    (arXiv 2409.02095, equation 5), and, other than that, is stable for small sigma.
    """
    known = latent_mask(valid, target.shape[-1])[:, :, None].expand_as(target)
    return masked_mean((predicted - target) ** 2, known)


def latent_differences(predicted: Latents, clean: Latents, valid: Mask) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """How far first differences are off in space (right and down) and in time, in the mean (DVD, arXiv 2603.12250)."""
    error, known = predicted - clean, latent_mask(valid, clean.shape[-1])[:, :, None].expand_as(clean)

    def along(axis: int) -> Float[Tensor, ""]:
        return masked_mean(error.diff(dim=axis).abs(), known_pairs(known, axis))

    return (along(-1) + along(-2)) / 2, along(1)


def latent_mask(valid: Bool[Tensor, "b t h w"], columns: int) -> Bool[Tensor, "b t y x"]:
    """Cells all of whose pixels are valid, for latents of `columns` columns."""
    factor = valid.shape[-1] // columns
    return ~torch.nn.functional.max_pool2d((~valid).float(), factor).bool()
