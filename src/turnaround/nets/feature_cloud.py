"""Pictures as clouds of points that carry features, which a decoder makes a picture of again."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import pad

from turnaround.geometry.holes import fill_from_behind
from turnaround.nets.fingerprint import fingerprint
from turnaround.nets.unet import UNet
from turnaround.render.splat import soft_splat
from turnaround.types import Pinhole, View, WeightsNotice

FAINTEST = 1e-3  # trust that a point keeps in any case


class FeatureCloud(nn.Module):
    """Points with features, as 3D Moments (CVPR 2022), 3D Cinemagraphy (CVPR 2023) and Make-It-4D (arXiv 2308.10257)
    render them.

    An encoder gives each pixel `features` numbers; with colour and disparity they are splatted softly into another
    camera; a decoder of five levels in those papers gives what has to be added to the colours there, holes being filled
    from behind. Untrained it adds nothing.

    encoder, decoder: channels of their UNets' levels. sharpness: as of `soft_splat`.
    """

    weights: Sequence[WeightsNotice]
    architecture: Mapping[str, Any] | None = None

    def __init__(self, *, features: int, encoder: Sequence[int], decoder: Sequence[int], sharpness: float):
        super().__init__()
        self.weights, self.sharpness = (), sharpness
        self.encoder_multiple, self.decoder_multiple = (2 ** (len(levels) - 1) for levels in (encoder, decoder))
        self.encoder = UNet(entering=3, channels=encoder, leaving=features)
        self.decoder = UNet(entering=3 + features + 2, channels=decoder, leaving=3)
        nn.init.zeros_(self.decoder.leave.weight)
        assert self.decoder.leave.bias is not None
        nn.init.zeros_(self.decoder.leave.bias)

    def points(self, view: View) -> View:
        """The view with features behind its colours."""
        wide, (height, width) = padded(view.image[None], self.encoder_multiple)
        features = self.encoder(2 * wide - 1)[0, :, :height, :width]
        return View(image=torch.cat([view.image, features]), depth=view.depth, camera=view.camera)

    def splatted(
        self, points: Sequence[View], trust: Sequence[Float[Tensor, "h w"]], camera: Pinhole
    ) -> tuple[Float[Tensor, "c h w"], Bool[Tensor, "h w"]]:
        """Colours, features and disparity (nearest depth / depth) of several `points` views, 0 in holes; the holes.

        Where several land, the nearer and the more trusted weigh more. trust: in [0, 1].
        """
        seen = [soft_splat(each, camera, sharpness=self.sharpness) for each in points]
        hole = torch.stack([each.hole for each in seen])
        depth = torch.stack([each.depth for each in seen]).masked_fill(hole, torch.inf)
        nearest = depth.amin()
        # Of exponents the largest at a pixel is taken off, so none overflows.
        importance = self.sharpness * nearest.clamp(max=torch.finfo(depth.dtype).max) / depth
        importance = (importance - importance.amax(dim=0)).exp().masked_fill(hole, 0.0)
        trusted = [value.flatten()[each.source.clamp(min=0)] for value, each in zip(trust, seen, strict=True)]
        weights = importance * torch.stack(trusted).clamp(min=FAINTEST)
        shares = weights / weights.sum(dim=0).clamp(min=torch.finfo(weights.dtype).tiny)
        disparity = torch.where(hole, 0.0, nearest / depth)
        carried = torch.stack([torch.cat([each.image, d[None]]) for each, d in zip(seen, disparity, strict=True)])
        return (carried * shares[:, None]).sum(dim=0), hole.all(dim=0)

    def rough(self, splatted: Float[Tensor, "b c h w"], hole: Bool[Tensor, "b h w"]) -> Float[Tensor, "b 3 h w"]:
        """The colours, holes filled from behind: what the decoder adds to."""
        return fill_from_behind(splatted[:, None, [0, 1, 2, -1]], hole[:, None])[:, 0, :3]

    def decoded(self, splatted: Float[Tensor, "b c h w"], hole: Bool[Tensor, "b h w"]) -> Float[Tensor, "b 3 h w"]:
        """RGB, not clamped."""
        rough = self.rough(splatted, hole)
        inputs = torch.cat([rough, splatted[:, 3:], hole[:, None].to(splatted)], dim=1)
        wide, (height, width) = padded(inputs, self.decoder_multiple)
        return rough + self.decoder(wide)[:, :, :height, :width]

    def forward(
        self, points: Sequence[View], trust: Sequence[Float[Tensor, "h w"]], camera: Pinhole
    ) -> Float[Tensor, "3 h w"]:
        """What a camera sees of some `points` views. RGB in [0, 1]."""
        splatted, hole = self.splatted(points, trust, camera)
        return self.decoded(splatted[None], hole[None])[0].clamp(0, 1)

    def fingerprint(self) -> str:
        return f"{fingerprint({'encoder': self.encoder, 'decoder': self.decoder})}-{self.sharpness:g}"


def padded(pictures: Float[Tensor, "b c h w"], multiple: int) -> tuple[Float[Tensor, "b c y x"], tuple[int, int]]:
    """To sides that are multiples, by repeating the last row and column; and the size before."""
    height, width = pictures.shape[-2:]
    return pad(pictures, (0, -width % multiple, 0, -height % multiple), mode="replicate"), (height, width)
