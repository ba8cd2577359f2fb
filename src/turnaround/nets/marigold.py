"""Marigold, depth of a picture by diffusion (arXiv 2312.02145), from its published folder."""

import json
from itertools import combinations
from typing import Any

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_lcm import LCMScheduler
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate, pad

from turnaround.geometry.synchronize import Overlaps, synchronize_affine
from turnaround.nets.architecture import announce, dtype_of
from turnaround.nets.codec import encode_modes
from turnaround.nets.frame_by_frame import PictureDepth
from turnaround.nets.inpaint import ImageUNet
from turnaround.nets.model_card import notice_of
from turnaround.nets.sd_parts import (
    MODEL_INDEX,
    empty_text,
    load_unet,
    load_vae,
    patterns,
    read_scheduler,
    require_channels,
    require_pipeline,
)
from turnaround.nets.vae_picture_codec import KlVae
from turnaround.nets.weights import published_folder
from turnaround.types import DepthKind, InputError, WeightsNotice

PIPELINES = ("MarigoldDepthPipeline", "MarigoldPipeline")
# Of the index, where they are there: what makes its depth affine.
INDEX = {"prediction_type": "depth", "scale_invariant": True, "shift_invariant": True}
SAMPLES = 2048  # places at which two members are compared


class MarigoldDepth(PictureDepth):
    """Depth latents from noise beside the picture's latents, `members` times; the median of the members.

    As diffusers' `MarigoldDepthPipeline`, with one difference: members are brought to one scale and shift by all pairs
    of them at once (`synchronize_affine`), not by an optimizer that is stopped early.

    size: pixels of the longer side that the network sees. steps: of the scheduler.
    """

    def __init__(
        self,
        *,
        unet: ImageUNet,
        vae: KlVae,
        prompt: Float[Tensor, "n k"],
        scheduler: Any,
        steps: int,
        members: int,
        size: int,
        weights: tuple[WeightsNotice, ...],
    ):
        super().__init__(kind=DepthKind.AFFINE_DEPTH, weights=weights)
        self.unet, self.vae, self._scheduler = unet, vae, scheduler
        self.register_buffer("prompt", prompt)
        self.steps, self.members, self.size = steps, members, size
        self.scheduling = json.dumps(dict(scheduler.config), sort_keys=True, default=str)
        self.factor = 2 ** (len(vae.config["block_out_channels"]) - 1)

    def depth(self, image, generator):
        height, width = image.shape[1:]
        small = _longest(image, self.size)
        rows, columns = small.shape[1:]
        over = (0, -columns % self.factor, 0, -rows % self.factor)
        picture = pad(small[None], over, mode="replicate")
        seen = encode_modes(self.vae, picture[None], None)[0] * self.vae.config["scaling_factor"]
        found = torch.cat([self._member(seen, generator) for _ in range(self.members)])[:, :rows, :columns]
        return interpolate(agreed(found)[None, None], (height, width), mode="bilinear")[0, 0]

    def _member(self, seen: Float[Tensor, "1 c y x"], generator: torch.Generator) -> Float[Tensor, "1 h w"]:
        dtype, scheduler = self.unet.dtype, self._scheduler
        prompt = self.get_buffer("prompt").to(dtype)[None]
        latents = torch.randn(seen.shape, generator=generator).to(seen)
        scheduler.set_timesteps(self.steps, device=seen.device)
        for step in scheduler.timesteps:
            inputs = torch.cat([seen, latents], dim=1).to(dtype)
            raw = self.unet(inputs, step, prompt, return_dict=False)[0].to(latents)
            latents = scheduler.step(raw, step, latents, generator=generator).prev_sample
        scaled = (latents / self.vae.config["scaling_factor"]).to(self.vae.dtype)
        decoded: Any = self.vae.decode(scaled, return_dict=False)[0]
        return decoded.float().mean(dim=1).clamp(-1, 1) / 2 + 0.5


def agreed(members: Float[Tensor, "n h w"]) -> Float[Tensor, "h w"]:
    """The median of maps that are brought to one scale and shift; of an even number the lower of the middle two."""
    if len(members) == 1:
        return members[0]
    values = members.cpu().flatten(1)
    values = values[:, :: max(values.shape[1] // SAMPLES, 1)]
    first, second = torch.tensor(list(combinations(range(len(members)), 2))).unbind(1)
    overlaps = Overlaps(
        first=first, second=second, first_values=values[first].double(), second_values=values[second].double()
    )
    scale, shift = (each.to(members)[:, None, None] for each in synchronize_affine(len(members), overlaps))
    return (scale * members + shift).median(dim=0).values


def load_marigold(*, path: str, dtype: str, steps: int, members: int, size: int) -> MarigoldDepth:
    """path: a folder in the layout of `MarigoldDepthPipeline`, or a repository of the hub. dtype: float16, bfloat16 or
    float32. steps, members, size: as of `MarigoldDepth`.

    InputError as of `load_part`; another pipeline, scheduler or kind of depth; parts of other sizes.
    """
    for name, value, least in (("steps", steps, 1), ("members", members, 1), ("size", size, 64)):
        if value < least:
            expected, fix = f"at least {least}", "give a larger number"
            raise InputError(f"estimator.network.{name}", expected=expected, found=str(value), fix=fix)
    folder = published_folder(path, patterns("unet", "vae", "text_encoder", "tokenizer"))
    index = require_pipeline(folder, PIPELINES, "give a folder of Marigold for depth")
    for key, wanted in INDEX.items():
        if index.get(key, wanted) not in (wanted, None):
            found, fix = repr(index[key]), "give a folder of Marigold for affine depth"
            raise InputError(f"{folder / MODEL_INDEX}: {key}", expected=repr(wanted), found=found, fix=fix)
    scheduler = read_scheduler(folder, (DDIMScheduler, LCMScheduler))
    unet, vae = load_unet(folder, dtype_of(dtype)), load_vae(folder, dtype_of(dtype))
    each = vae.config["latent_channels"]
    require_channels(folder, unet, (2 * each,), each)
    network = MarigoldDepth(
        unet=unet,
        vae=vae,
        prompt=empty_text(folder, unet, "do_not_pad"),
        scheduler=scheduler,
        steps=steps,
        members=members,
        size=size,
        weights=(notice_of(folder, path),),
    )
    announce(network.weights)
    return network.eval()


def _longest(image: Float[Tensor, "3 h w"], size: int) -> Float[Tensor, "3 y x"]:
    """With a longer side of `size`, the shorter rounded down, at least one pixel."""
    height, width = image.shape[1:]
    sides = tuple(max(side * size // max(height, width), 1) for side in (height, width))
    return interpolate(image[None], sides, mode="bilinear", antialias=True)[0]
