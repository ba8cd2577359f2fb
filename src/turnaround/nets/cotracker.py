"""CoTracker3 by its publisher's package (Karaev et al., 2024)."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from turnaround.nets.architecture import announce
from turnaround.nets.device import placed
from turnaround.nets.fingerprint import fingerprint
from turnaround.nets.point_trackers import installed, load_checkpoint, timed
from turnaround.types import PixelTracks, Video, WeightsNotice

INSTALL = "pip install git+https://github.com/facebookresearch/co-tracker.git"
LICENCE = "CC BY-NC 4.0: no commercial use"
WINDOW = 60  # frames, as in the release


class CoTracker:
    """A `PointTracker`, offline and both ways, `chunk` queries at a time, each chunk by itself.

    The package is not on PyPI, and no test runs its network: tests put another in its place. The call follows
    co-tracker's `predictor.py`, which takes videos [b t 3 h w] in [0, 255] and queries (frame, x, y), and gives places
    [b t n 2] (x, y) and whether they are visible [b t n]. It resizes pictures itself, by their corners, so its pixel
    centres are whole numbers.
    """

    name = "cotracker"

    def __init__(self, *, network: nn.Module, weights: Sequence[WeightsNotice], chunk: int, device: str):
        self.network, self.device = placed(network, device)
        self.weights, self.chunk = tuple(weights), chunk

    def fingerprint(self) -> str:
        return repr((self.name, self.chunk, fingerprint({"network": self.network})))  # points of a chunk attend

    @torch.inference_mode()
    def track(self, video: Video, frame: int, pixels: Float[Tensor, "n 2"]) -> PixelTracks:
        frames = video[None].to(self.device) * 255
        queries = timed(frame, pixels.float() - 0.5).to(self.device)
        found = [self.network(frames, queries=some[None], backward_tracking=True) for some in queries.split(self.chunk)]
        return PixelTracks(
            pixels=torch.cat([places[0].float().cpu() + 0.5 for places, _ in found], dim=1),
            visible=torch.cat([visible[0].bool().cpu() for _, visible in found], dim=1),
            query=torch.full((len(pixels),), frame),
        )


def load_cotracker(*, path: str, chunk: int, device: str) -> CoTracker:
    """path: `scaled_offline.pth`."""
    package = installed("cotracker.predictor", fix=INSTALL)
    network = package.CoTrackerPredictor(checkpoint=None, offline=True, v2=False, window_len=WINDOW)
    load_checkpoint(network.model, Path(path))
    weights = (WeightsNotice(name="CoTracker3", source=path, licence=LICENCE),)
    announce(weights)
    return CoTracker(network=network, weights=weights, chunk=chunk, device=device)
