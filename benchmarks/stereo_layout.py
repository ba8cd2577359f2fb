"""Writes the Middlebury pairs of a folder of data sets in the layout that benchmark=stereo_pairs reads.

python benchmarks/stereo_layout.py SETS OUT, where SETS holds the folders stereo_middlebury2003_cones,
stereo_middlebury2006_reindeer and stereo_middlebury2014_motorcycle. Stored disparities are multiples of pixels, and
unknown where 0 or not finite.
"""

import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.io.disparity import write_disparity
from turnaround.io.existing import existing_file
from turnaround.io.image import read_image, write_image

# item: folder, left and right picture, left and right disparity, stored steps per pixel
PAIRS = {
    "cones": ("stereo_middlebury2003_cones", "im2.png", "im6.png", "disp2.png", "disp6.png", 4),
    "reindeer": ("stereo_middlebury2006_reindeer", "view1.png", "view5.png", "disp1.png", "disp5.png", 2),
    "motorcycle": (
        "stereo_middlebury2014_motorcycle",
        "motorcycle_left.png",
        "motorcycle_right.png",
        "motorcycle_disp.npz",
        None,
        1,
    ),
}


def main(sets: Path, out: Path) -> None:
    for item, (folder, left, right, left_disparity, right_disparity, steps) in PAIRS.items():
        for name, file in (("left", left), ("right", right)):
            write_image(out / item / f"{name}.png", read_image(sets / folder / file))
        for name, file in (("left", left_disparity), ("right", right_disparity)):
            if file is not None:
                write_disparity(out / item / f"disparity_{name}.npy", disparity(sets / folder / file, steps))


def disparity(path: Path, steps: int) -> Float[Tensor, "h w"]:
    existing_file(path, expected="a disparity map")
    if zipfile.is_zipfile(path):
        with np.load(path, allow_pickle=False) as archive:
            stored = archive["arr_0"]
    else:
        stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    pixels = torch.from_numpy(np.asarray(stored, np.float32)) / steps
    return torch.where(pixels.isfinite() & (pixels > 0), pixels, torch.nan)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
