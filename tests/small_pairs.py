"""Stereo pairs of two textured planes on disk: a square of disparity 12 before a wall of disparity 4."""

import torch

from turnaround.io.disparity import write_disparity
from turnaround.io.image import write_image

HEIGHT, WIDTH, NEAR, FAR = 64, 96, 12, 4
TOP, BOTTOM, BEGIN, END = 16, 48, 40, 64  # of the square, in the left picture


def texture(height, width, seed):
    """Random blobs of a few pixels, which points can be matched on, in steps of 8 bits."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(1, 3, height // 3 + 3, width // 3 + 3, generator=generator)
    smooth = torch.nn.functional.interpolate(noise, scale_factor=3, mode="bicubic").clamp(0, 1)
    return (smooth[0, :, :height, :width] * 255).round() / 255


def picture(disparity_of_wall, disparity_of_square):
    """What an eye sees that is shifted by these disparities, and its disparity map (of the true, full ones)."""
    wall, square = texture(HEIGHT, 2 * WIDTH, 0), texture(BOTTOM - TOP, END - BEGIN, 1)
    image = wall[:, :, disparity_of_wall : disparity_of_wall + WIDTH].clone()
    disparity = torch.full((HEIGHT, WIDTH), float(FAR))
    begin, end = BEGIN - disparity_of_square, END - disparity_of_square
    image[:, TOP:BOTTOM, begin:end] = square
    disparity[TOP:BOTTOM, begin:end] = NEAR
    return image, disparity


def expected_holes():
    """What the right eye sees and the left does not: the wall right of the square, and the last columns."""
    hole = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    hole[TOP:BOTTOM, END - NEAR : END - FAR] = True
    hole[:, WIDTH - FAR :] = True
    return hole


def write_pair(folder, *, right_disparity=True):
    (left, of_left), (right, of_right) = picture(0, 0), picture(FAR, NEAR)
    write_image(folder / "left.png", left)
    write_image(folder / "right.png", right)
    write_disparity(folder / "disparity_left.npy", of_left)
    if right_disparity:
        write_disparity(folder / "disparity_right.npy", of_right)
    return left, right
