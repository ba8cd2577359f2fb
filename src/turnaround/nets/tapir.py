"""BootsTAPIR by its publisher's package (Doersch et al., BootsTAP, ACCV 2024)."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from turnaround.nets.architecture import announce
from turnaround.nets.device import placed
from turnaround.nets.fingerprint import fingerprint
from turnaround.nets.point_trackers import confident, installed, load_checkpoint, resized, scaled, timed
from turnaround.types import PixelTracks, Video, WeightsNotice

INSTALL = "pip install 'tapnet[torch] @ git+https://github.com/google-deepmind/tapnet.git'"
LICENCE = "Apache-2.0"


class Tapir:
    """A `PointTracker`. The video is resized to size x size pixels, and `chunk` queries are followed at a time.

    The package is not on PyPI, and no test runs its network: tests put another in its place. The call follows tapnet's
    `torch/tapir_model.py`, which takes videos [b t h w 3] in [-1, 1] and queries (frame, y, x), and gives `tracks`
    [b n t 2] (x, y) and the logits `occlusion` and `expected_dist` [b n t]. Its pixel centres lie at +0.5, as ours.
    """

    name = "tapir"

    def __init__(self, *, network: nn.Module, weights: Sequence[WeightsNotice], size: int, chunk: int, device: str):
        self.network, self.device = placed(network, device)
        self.weights, self.size, self.chunk = tuple(weights), size, chunk

    def fingerprint(self) -> str:
        return repr((self.name, self.size, fingerprint({"network": self.network})))

    @torch.inference_mode()
    def track(self, video: Video, frame: int, pixels: Float[Tensor, "n 2"]) -> PixelTracks:
        size, square = (video.shape[3], video.shape[2]), (self.size, self.size)
        frames = resized(video.to(self.device), self.size).movedim(1, -1)[None] * 2 - 1
        queries = timed(frame, scaled(pixels.float(), size, square))[None, :, [0, 2, 1]].to(self.device)
        found = self.network(frames, queries, query_chunk_size=self.chunk)
        visible = confident(found["occlusion"][0].float(), found["expected_dist"][0].float())
        return PixelTracks(
            pixels=scaled(found["tracks"][0].transpose(0, 1).float().cpu(), square, size),
            visible=visible.T.cpu(),
            query=torch.full((len(pixels),), frame),
        )


def load_tapir(*, path: str, temperature: float, size: int, chunk: int, device: str) -> Tapir:
    """path: `bootstapir_checkpoint_v2.pt`. temperature: of the softmax over a first guess of the place."""
    package = installed("tapnet.torch.tapir_model", fix=INSTALL)
    network = package.TAPIR(pyramid_level=1, extra_convs=True, softmax_temperature=temperature)
    load_checkpoint(network, Path(path))
    weights = (WeightsNotice(name="BootsTAPIR", source=path, licence=LICENCE),)
    announce(weights)
    return Tapir(network=network, weights=weights, size=size, chunk=chunk, device=device)
