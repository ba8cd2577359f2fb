"""A cloud of features learns to be seen from elsewhere (`nets.feature_cloud`)."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from turnaround.losses.image import Regions, absolute_error, gradient_error
from turnaround.nets.feature_cloud import FeatureCloud
from turnaround.tasks.base import Optimization, Task
from turnaround.types import Clip, Pinhole, Video, View, ViewPairBatch
from turnaround.viz.layout import hcat


class FeatureCloudTraining(Task):
    """The second view of each pair is to come out of the first; validates on clips whose frames are views of one
    moment.

    regions: how much pixels count, holes being what the first view does not show. gradient, scales: weight of the
    differences between neighbours, and how many distances of them.
    """

    def __init__(
        self,
        *,
        network: FeatureCloud,
        regions: Regions,
        gradient: float,
        scales: int,
        optimization: Optimization,
        freeze: Sequence[str],
        seed: int,
    ):
        super().__init__(
            network=network, optimization=optimization, freeze=freeze, gradient_checkpointing=False, seed=seed
        )
        self.regions, self.gradient, self.scales = regions, gradient, scales
        self._media: Mapping[str, Video] = {}

    @property
    def cloud(self) -> FeatureCloud:
        assert isinstance(self.network, FeatureCloud)
        return self.network

    def losses(self, batch: ViewPairBatch, generator: torch.Generator) -> Mapping[str, Tensor]:
        pairs = [(batch.view(number, 0), batch.view(number, 1)) for number in range(len(batch.pictures))]
        seen = [
            self.cloud.splatted([self.cloud.points(first)], [torch.ones_like(first.depth)], second.camera)
            for first, second in pairs
        ]
        splatted, hole = torch.stack([each for each, _ in seen]), torch.stack([each for _, each in seen])
        predicted, target = self.cloud.decoded(splatted, hole)[:, None], batch.pictures[:, 1:]
        weights = self.regions.weights(hole[:, None], torch.ones_like(hole)[:, None])
        return {
            "absolute": absolute_error(predicted, target, weights).mean(),
            "gradient": self.gradient * gradient_error(predicted, target, weights, scales=self.scales).mean(),
        }

    def on_validation_epoch_start(self) -> None:
        self._media = {}

    def validation_step(self, clip: Clip, batch_idx: int) -> None:
        """Logs the PSNR of all other views from a clip's first, decoded and as they are splatted (holes filled from
        behind), and keeps the first clip's pictures: splatted, decoded, truth."""
        assert clip.depth is not None
        assert isinstance(clip.cameras, Pinhole)
        video, depth = clip.video.to(self.device), clip.depth.values.to(self.device)
        points = self.cloud.points(View(image=video[0], depth=depth[0], camera=clip.cameras.at(0)))
        seen = [
            self.cloud.splatted([points], [torch.ones_like(depth[0])], clip.cameras.at(frame))
            for frame in range(1, len(video))
        ]
        splatted, hole = torch.stack([each for each, _ in seen]), torch.stack([each for _, each in seen])
        maps = {"rough": self.cloud.rough(splatted, hole), "decoded": self.cloud.decoded(splatted, hole)}
        maps = {name: each.clamp(0, 1) for name, each in maps.items()}
        for name, found in maps.items():
            error = ((found - video[1:]) ** 2).mean().clamp(min=1e-10)
            self.log(f"validation/{name}_psnr", -10 * error.log10(), batch_size=1, prog_bar=True)
        if batch_idx == 0:
            self._media = {"views": hcat([each.float().cpu() for each in (*maps.values(), video[1:])], gap=2)}

    def media(self) -> Mapping[str, Video]:
        """Videos of the last validation, for the logger."""
        return self._media
