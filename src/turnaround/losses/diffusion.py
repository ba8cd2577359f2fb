"""The training loss of video diffusion (EDM, v-prediction)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.losses.base import masked_mean


def velocity_loss(
    predicted: Float[Tensor, "b t d y x"], target: Float[Tensor, "b t d y x"], valid: Bool[Tensor, "b t h w"]
) -> Float[Tensor, ""]:
    """Mean |F - v|^2 over the latent cells all of whose pixels are valid.

    Equal to the weighted loss on clean latents, (1 + sigma^2) / sigma^2 |x0_hat - x0|^2 (arXiv 2409.02095, equation 5),
    and, other than that, stable for small sigma.
    """
    return masked_mean((predicted - target) ** 2, latent_mask(valid, target.shape[-1])[:, :, None].expand_as(target))


def latent_mask(valid: Bool[Tensor, "b t h w"], columns: int) -> Bool[Tensor, "b t y x"]:
    """Cells all of whose pixels are valid, for latents of `columns` columns."""
    factor = valid.shape[-1] // columns
    return ~torch.nn.functional.max_pool2d((~valid).float(), factor).bool()
