"""The scene as Gaussians, fitted to the frames of the video: with gsplat (extra `gaussians`) on a GPU."""

from collections.abc import Mapping
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.io.gaussians import Gaussians, write_gaussians
from turnaround.metrics.similarity import structural_similarity
from turnaround.pipelines.orbit.exports.export import Export, Finished
from turnaround.types import InputError, OrbitVideo, Pinhole

FIELDS = ("means", "colors", "logits", "log_scales", "quaternions")


class GaussianPly(Export):
    """`gaussians.ply`, in the layout of 3D Gaussian Splatting.

    They begin as the points of the scene cache and are fitted to the frames by Adam, one frame a step, by
    (1 - ssim) * L1 + ssim * (1 - SSIM); none is added or taken away. most: Gaussians. opacity: at first. rates: of
    learning, for each of `FIELDS`. What does not come from the photo is made up, as in the video.
    """

    names = ("gaussians.ply",)

    def __init__(self, *, most: int, steps: int, opacity: float, ssim: float, rates: Mapping[str, float], seed: int):
        if set(rates) != set(FIELDS):
            found, fix = ", ".join(sorted(rates)), "correct exports.files.gaussians.rates"
            raise InputError("rates", expected=", ".join(FIELDS), found=found, fix=fix)
        if not (most >= 1 and steps >= 0 and 0 < opacity < 1 and 0 <= ssim <= 1):
            found = f"{most}, {steps}, {opacity:g}, {ssim:g}"
            expected = "most of at least 1, steps of at least 0, opacity inside and ssim in [0, 1]"
            raise InputError("gaussians", expected=expected, found=found, fix="leave them at their defaults")
        self.most, self.steps, self.opacity, self.ssim = most, steps, opacity, ssim
        self.rates, self.seed = rates, seed

    def require(self) -> None:
        fix = "pip install 'turnaround[gaussians]' on a machine with a GPU, or exports.files.gaussians=null"
        for lacking, found in ((find_spec("gsplat") is None, "no gsplat"), (not torch.cuda.is_available(), "no CUDA")):
            if lacking:
                raise InputError("gaussians.ply", expected="gsplat and an NVIDIA GPU", found=found, fix=fix)

    def write(self, out: Path, finished: Finished) -> None:
        self.require()
        fitted = self._fitted(self.initial(finished), finished.orbit)
        write_gaussians(out / "gaussians.ply", fitted)

    def initial(self, finished: Finished) -> Gaussians:
        """A round one for each point of the scene, of its pixel's size; of more than `most`, evenly spaced ones."""
        cloud = finished.cloud
        count = len(cloud.points)
        kept = min(count, self.most)
        chosen = torch.arange(kept) * count // kept
        radius = cloud.radius[chosen] * (count / kept) ** 0.5  # those that are left cover what the others did
        return Gaussians.at_points(cloud.points[chosen], cloud.colors[chosen] / 255, radius, self.opacity)

    def _fitted(self, gaussians: Gaussians, orbit: OrbitVideo) -> Gaussians:
        held = {name: values.cuda().requires_grad_() for name, values in asdict(gaussians).items()}
        groups = [{"params": [held[name]], "lr": self.rates[name]} for name in FIELDS]
        adam = torch.optim.Adam(groups, eps=1e-15)
        video, cameras = orbit.video.cuda(), orbit.cameras
        order = torch.randint(len(video), (self.steps,), generator=torch.Generator().manual_seed(self.seed))
        for frame in order.tolist():
            shown = rasterized(Gaussians(**held), cameras.at(frame))
            adam.zero_grad()
            self._loss(shown, video[frame]).backward()
            adam.step()
        return Gaussians(**{name: values.detach().cpu() for name, values in held.items()})

    def _loss(self, shown: Float[Tensor, "3 h w"], frame: Float[Tensor, "3 h w"]) -> Tensor:
        alike = structural_similarity(shown, frame).mean()
        return (1 - self.ssim) * (shown - frame).abs().mean() + self.ssim * (1 - alike)


def rasterized(gaussians: Gaussians, camera: Pinhole) -> Float[Tensor, "3 h w"]:
    """What a camera sees of them, by gsplat, before black."""
    from gsplat import rasterization  # pyright: ignore[reportMissingImports]

    like = gaussians.means
    image, _, _ = rasterization(
        means=gaussians.means,
        quats=gaussians.quaternions,
        scales=gaussians.scales,
        opacities=gaussians.opacities,
        colors=gaussians.colors,
        viewmats=torch.linalg.inv(camera.world_from_cam.double()).to(like),
        Ks=camera.intrinsics.to(like),
        width=camera.width,
        height=camera.height,
    )
    return image[0].permute(2, 0, 1)
