"""Convolutions at the ends of a UNet, for more channels than it was trained with."""

from collections.abc import Sequence

import torch
from torch import nn

from turnaround.nets.inpaint import ImageUNet
from turnaround.nets.svd import PerFrameUNet


def widen_input(unet: ImageUNet | PerFrameUNet, places: Sequence[int], channels: int) -> None:
    """places: where its channels lie among the `channels` it now takes. The others have weights of zero, so at first
    they change nothing."""
    old = unet.conv_in
    new = _like(old, channels, old.out_channels)
    with torch.no_grad():
        new.weight.zero_()
        new.weight[:, list(places)] = old.weight
    unet.conv_in = new
    unet.register_to_config(in_channels=channels)


def repeat_output(unet: ImageUNet, times: int) -> None:
    """Its channels, `times` over: each kind of picture starts with the weights of the one that was trained."""
    old = unet.conv_out
    new = _like(old, old.in_channels, times * old.out_channels)
    with torch.no_grad():
        new.weight.copy_(old.weight.repeat(times, 1, 1, 1))
    unet.conv_out = new
    unet.register_to_config(out_channels=new.out_channels)


def _like(old: nn.Conv2d, inputs: int, outputs: int) -> nn.Conv2d:
    """With the bias of the old one, over again."""
    size, padding = old.weight.shape[-1], old.weight.shape[-1] // 2
    new = nn.Conv2d(inputs, outputs, size, padding=padding, dtype=old.weight.dtype, device=old.weight.device)
    assert old.bias is not None
    assert new.bias is not None
    with torch.no_grad():
        new.bias.copy_(old.bias.repeat(outputs // old.out_channels))
    return new.eval()
