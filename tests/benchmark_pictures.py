"""Random pictures, depth maps and poses for files in the layouts of depth benchmarks."""

import cv2
import numpy as np
import torch

from turnaround.io.image import read_image

RANDOM = np.random.default_rng(0)


def write_picture(path, height, width) -> torch.Tensor:
    """What reading it gives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8))
    return read_image(path)


def write_steps(path, height, width) -> torch.Tensor:
    """The steps of a 16 bit depth map, 0 at its corner, as float64."""
    path.parent.mkdir(parents=True, exist_ok=True)
    steps = RANDOM.integers(1, 65536, (height, width), dtype=np.uint16)
    steps[0, 0] = 0
    cv2.imwrite(str(path), steps)
    return torch.from_numpy(steps.astype(np.float64))


def metres(steps, divisor) -> torch.Tensor:
    return torch.where(steps == 0, torch.nan, steps / divisor).float()


def assert_same(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


def rigid(seed) -> np.ndarray:
    motion = np.eye(4)
    motion[:3, :3] = cv2.Rodrigues(np.random.default_rng(seed).normal(size=3))[0]
    motion[:3, 3] = np.random.default_rng(seed).normal(size=3)
    return motion
