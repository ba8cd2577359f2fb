"""How many frames COLMAP takes for pictures of one scene, knowing nothing but their lens.

Schonberger and Frahm, Structure-from-Motion Revisited, CVPR 2016, by pycolmap (extra `colmap`). It runs in a process of
its own, for a fixed time, on one thread and one seed: what it does to memory, or if it crashes, concerns nobody else.
"""

import json
import math
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.io.image import write_image
from turnaround.metrics.base import Average
from turnaround.types import InputError, Pinhole, Video

FOUND = "registered.json"
LENS = "lens.json"


@dataclass(frozen=True, kw_only=True)
class RegistrationShare:
    """Share of frames in the largest model that COLMAP makes of them. Nothing is measured without pycolmap.

    frames: most of the video, evenly spaced. seconds: after which it is stopped, with nothing measured.
    """

    frames: int
    seconds: float
    name = "registration"

    def __post_init__(self):
        if self.frames < 2:
            raise InputError("frames", expected="at least 2", found=str(self.frames), fix="give more")

    def __call__(
        self, video: Video, filled: Bool[Tensor, "t h w"], depth: Float[Tensor, "t h w"], cameras: Pinhole
    ) -> Average:
        count = min(self.frames, len(video))
        if count < 2 or find_spec("pycolmap") is None:
            return Average(sum=0.0, count=0)
        with TemporaryDirectory() as folder:
            pictures = Path(folder) / "pictures"
            for number in range(count):
                write_image(pictures / f"{number:05d}.png", video[number * len(video) // count])
            k = cameras.intrinsics[0].tolist()
            (Path(folder) / LENS).write_text(json.dumps([k[0][0], k[1][1], k[0][2], k[1][2]]))
            registered = _registered(Path(folder), self.seconds)
        return Average(sum=registered, count=count) if math.isfinite(registered) else Average(sum=0.0, count=0)


def _registered(folder: Path, seconds: float) -> float:
    """Pictures in the largest model; NaN where it took too long or failed."""
    command = [sys.executable, "-m", __name__, str(folder)]
    try:
        subprocess.run(command, timeout=seconds, check=True, capture_output=True)
        return float(json.loads((folder / FOUND).read_text()))
    except (subprocess.SubprocessError, OSError, ValueError):
        return math.nan


def reconstruct(folder: Path) -> int:
    """Pictures in the largest model of those in `folder/pictures`, whose lens stands in `folder/lens.json`."""
    import pycolmap

    pycolmap.set_random_seed(0)
    lens = json.loads((folder / LENS).read_text())
    pictures, database = folder / "pictures", folder / "database.db"
    reader = pycolmap.ImageReaderOptions(camera_model="PINHOLE", camera_params=",".join(map(repr, lens)))
    extraction = pycolmap.FeatureExtractionOptions(num_threads=1, use_gpu=False)
    matching = pycolmap.FeatureMatchingOptions(num_threads=1, use_gpu=False)
    mapping = pycolmap.IncrementalPipelineOptions(num_threads=1, random_seed=0, ba_refine_focal_length=False)
    mapping.ba_refine_extra_params = False
    pycolmap.extract_features(
        database, pictures, camera_mode=pycolmap.CameraMode.SINGLE, reader_options=reader, extraction_options=extraction
    )
    pycolmap.match_exhaustive(database, matching_options=matching)
    (folder / "sparse").mkdir()
    models = pycolmap.incremental_mapping(database, pictures, folder / "sparse", options=mapping)
    return max((model.num_reg_images() for model in models.values()), default=0)


if __name__ == "__main__":
    (Path(sys.argv[1]) / FOUND).write_text(json.dumps(reconstruct(Path(sys.argv[1]))))
