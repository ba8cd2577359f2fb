"""LPIPS (Zhang et al., CVPR 2018) as the `lpips` package computes it, on backbone weights that lie on this machine."""

import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.types import InputError

SHIPPED = {  # in the hub's cache, under the names that torchvision downloads them to
    "squeeze": "squeezenet1_1-b8a52dc0.pth",
    "alex": "alexnet-owt-7be5be79.pth",
    "vgg": "vgg16-397923af.pth",
}
SMALLEST = {"squeeze": 17, "alex": 31, "vgg": 16}  # pixels a side; below, a layer is left with nothing


@dataclass(frozen=True, kw_only=True)
class PerceptualDistance:
    """LPIPS v0.1 with its own linear heads. net: squeeze, alex or vgg; figures of different nets do not compare.

    weights: the backbone's file of torchvision; None for its place in torch's hub cache ($TORCH_HOME/hub/checkpoints,
    by default ~/.cache/torch). Nothing is downloaded, and without the file there is no value.
    """

    net: str
    weights: str | None

    def __post_init__(self):
        if self.net not in SHIPPED:
            expected = f"one of {', '.join(SHIPPED)}"
            raise InputError("perceptual.net", expected=expected, found=self.net, fix="correct the benchmark's config")

    @property
    def path(self) -> Path:
        return Path(self.weights) if self.weights else Path(torch.hub.get_dir()) / "checkpoints" / SHIPPED[self.net]

    @property
    def note(self) -> str:
        """What a row says of its figures."""
        if self.path.is_file():
            return f"v0.1, net {self.net}, {self.path.name}"
        return f"unavailable, place {SHIPPED[self.net]} at {self.path}"

    def __call__(self, first: Float[Tensor, "3 h w"], second: Float[Tensor, "3 h w"]) -> Float[Tensor, "h w"] | None:
        """The distance around each pixel of two pictures in [0, 1]; None without weights, or if they are too small.

        The map's mean is the distance of the pictures, up to 1e-4 that the resampling of coarse layers leaves.
        """
        if not self.path.is_file() or min(first.shape[-2:]) < SMALLEST[self.net]:
            return None
        network = _network(self.net, self.path, self.path.stat().st_mtime_ns).to(first.device)
        with torch.inference_mode():
            return network(first[None].float(), second[None].float(), normalize=True)[0, 0]


@lru_cache(maxsize=1)
def _network(net: str, path: Path, _: int) -> torch.nn.Module:
    """`lpips.LPIPS` with the backbone's weights from the file. It is slow to import."""
    import lpips

    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # torchvision's, of the arguments that lpips uses
        network = lpips.LPIPS(net=net, spatial=True, pnet_rand=True, verbose=False)  # random until the next lines
    wanted = {name: f"features.{name.partition('.')[2]}" for name in network.net.state_dict()}
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        network.net.load_state_dict({name: stored[key] for name, key in wanted.items()}, strict=True)
    except Exception as error:  # whatever unpickling, keys and shapes of a foreign file raise
        found = f"{type(error).__name__}: {error}"[:200]
        fix = f"place torchvision's {SHIPPED[net]} there"
        raise InputError(path, expected=f"the backbone of LPIPS net {net}", found=found, fix=fix) from error
    return network.requires_grad_(False).eval()
