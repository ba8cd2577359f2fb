"""Rectified pairs in closed form: waves of random directions, seen by two eyes."""

import math

import torch

HEIGHT, WIDTH = 80, 160
WAVES = 60


def waves(x, y, seed=0):
    """[3 h w] in [0, 1] at any positions: wavelengths of 3.5 to 25 pixels, so that windows of 5 see structure."""
    random = torch.Generator().manual_seed(seed)
    length = 3.5 * (25 / 3.5) ** torch.rand(WAVES, generator=random, dtype=torch.float64)
    turn = 2 * math.pi * torch.rand(WAVES, generator=random, dtype=torch.float64)
    start = 2 * math.pi * torch.rand(WAVES, generator=random, dtype=torch.float64)
    weight = length.sqrt() / length.sum().sqrt()
    phase = 2 * math.pi / length * (x[..., None] * turn.cos() + y[..., None] * turn.sin()) + start
    grey = (0.5 + 0.2 * (phase.sin() * weight).sum(-1)).clamp(0, 1)
    return grey.float().expand(3, *grey.shape).clone()


def grid():
    y, x = torch.meshgrid(torch.arange(HEIGHT).double() + 0.5, torch.arange(WIDTH).double() + 0.5, indexing="ij")
    return x, y


def pair(disparity, slant=0.0, down=0.0, seed=0):
    """Left and right picture, and the left one's disparity: `disparity` + `slant` times x. The left pixel (x, y) is
    seen by the right eye at (x - its disparity, y + `down`)."""
    x, y = grid()
    left = waves(x, y, seed)
    right = waves((x + disparity) / (1 - slant), y - down, seed)
    return left, right, (disparity + slant * x).float()
