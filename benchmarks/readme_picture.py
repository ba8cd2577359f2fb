"""The README's picture: held-out procedural clips, what the shipped network makes of them, and the truth.

python benchmarks/readme_picture.py docs/media/depth.png
"""

import sys
from pathlib import Path

import torch
from shipped import shipped_estimator
from torch.nn.functional import interpolate

from turnaround.datasets.procedural import ProceduralClips
from turnaround.diffusion.estimate import DepthDiffusion
from turnaround.geometry.align import align_to_depth
from turnaround.io.image import write_image
from turnaround.scenes.sample import WorldSampler
from turnaround.types import Clip, DepthKind, DepthVideo
from turnaround.viz.color import colorize
from turnaround.viz.layout import hcat, label, vcat

SEEDS = (0, 1, 2, 3, 4, 5)  # the first of the benchmark, not a choice


def column(clip: Clip, estimator: DepthDiffusion) -> torch.Tensor:
    """Colour, estimated and true disparity of the clip's middle frame, one below the other."""
    assert clip.depth is not None
    maps = torch.stack(list(estimator.stream(clip.video, seed=0)))
    truth = clip.depth.values
    prediction = DepthVideo(values=maps, kind=DepthKind.AFFINE_DISPARITY)
    depth = align_to_depth(prediction, truth, truth > 0, 0.1, 80.0)
    middle, near = len(truth) // 2, truth.amin()
    pictures = [clip.video[middle], *(colorize((near / values[middle]).float()) for values in (depth, truth))]
    return vcat([interpolate(picture[None], scale_factor=2)[0] for picture in pictures], gap=4)


def main(path: Path) -> None:
    estimator = shipped_estimator()
    clips = ProceduralClips(sampler=WorldSampler(), first=0, count=max(SEEDS) + 1, cache=".cache/procedural")
    columns = [column(clips.clip(id), estimator) for id in clips.ids() if int(id) in SEEDS]
    picture = label(hcat(columns, gap=4), "frame | estimated disparity | true disparity (held-out seeds 0 to 5)")
    write_image(path, picture)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
