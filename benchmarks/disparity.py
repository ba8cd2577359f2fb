"""How near disparities come to the truth: python benchmarks/disparity.py ROOT [--raft WEIGHTS] [--threads 1].

ROOT is in the layout of benchmark=stereo_pairs; `stereo_layout.py` makes it of Middlebury pairs. Per pair and
estimator: seconds for both ways; the mean and the median end-point error in pixels and the share of errors above 2,
where truth and estimate are known; density, the share of the known truth that is estimated; and the mean error over the
pixels that all estimators know. "checked" keeps what the other way confirms within a pixel.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import torch
from jaxtyping import Float
from omegaconf import OmegaConf
from torch import Tensor

from turnaround.datasets.stereo_pairs import pair_folders, read_pair
from turnaround.geometry.pixel_tests import left_right_residual
from turnaround.geometry.semi_global import estimated_disparity
from turnaround.run.build import build_value
from turnaround.types import DisparityEstimator

CONFIGS = Path(__file__).parents[1] / "configs" / "disparity"
Picture = Float[Tensor, "3 h w"]
Map = Float[Tensor, "h w"]


def estimator(name: str, **changes: object) -> DisparityEstimator:
    config = OmegaConf.merge(OmegaConf.load(CONFIGS / f"{name}.yaml"), OmegaConf.create(changes))
    plain = OmegaConf.to_container(config)
    assert isinstance(plain, dict)
    return build_value({str(key): value for key, value in plain.items()}, name)


def both(name: str, matcher: DisparityEstimator) -> Callable[[Picture, Picture], dict[str, Map]]:
    def maps(left: Picture, right: Picture) -> dict[str, Map]:
        forth, back = matcher.match(left, right)
        confirmed = left_right_residual(forth, back) <= 1
        return {name: -forth[0], f"{name}, checked": torch.where(confirmed, -forth[0], torch.nan)}

    return maps


def row(found: Map, truth: Map, everywhere: Float[Tensor, "h w"]) -> str:
    known = found.isfinite() & truth.isfinite()
    error = (found - truth).abs()[known]
    shared = (found - truth).abs()[everywhere > 0]
    density = int(known.sum()) / int(truth.isfinite().sum())
    bad = 100 * float((error > 2).float().mean())
    return f"{error.mean():8.3f}{error.median():8.3f}{bad:8.2f}{density:9.3f}{shared.mean():9.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--raft", type=Path, help="weights of RAFT-small")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    ways: list[Callable[[Picture, Picture], dict[str, Map]]] = [
        lambda left, right: {"plain SGBM, checked": estimated_disparity(left, right)},
        both("sgbm", estimator("sgbm")),
    ]
    if options.raft is not None:
        ways.append(both("raft", estimator("raft", network={"path": str(options.raft)})))
    print(f"{'':<36}{'seconds':>8}{'EPE':>8}{'median':>8}{'>2 px %':>8}{'density':>9}{'shared':>9}")
    for id in pair_folders(options.root):
        pair, _ = read_pair(options.root, id, estimated_disparity)
        maps: dict[str, Map] = {}
        seconds: dict[str, float] = {}
        for way in ways:
            start = time.perf_counter()
            found = way(pair.left, pair.right)
            seconds |= dict.fromkeys(found, time.perf_counter() - start)
            maps |= found
        known = torch.stack([pair.disparity, *maps.values()]).isfinite().all(0).float()
        for name, found in maps.items():
            print(f"{id + ': ' + name:<36}{seconds[name]:>8.2f}{row(found, pair.disparity, known)}")


if __name__ == "__main__":
    main()
