"""What the stages of mining a clip give each other, as the tensors that are kept between them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from turnaround.io.stereo_checks import Eyes
from turnaround.types import PixelTracks, RigPoses, Video


def packed_poses(poses: RigPoses) -> dict[str, Tensor]:
    return {
        "world_from_left": poses.world_from_left.double(),
        "left_from_right": poses.left_from_right.double(),
        "points": poses.points.double(),
        "residual": torch.tensor(poses.residual, dtype=torch.float64),
        "observations": torch.tensor(poses.observations),
    }


def unpacked_poses(tensors: Mapping[str, Tensor]) -> RigPoses:
    return RigPoses(
        world_from_left=tensors["world_from_left"],
        left_from_right=tensors["left_from_right"],
        points=tensors["points"],
        residual=float(tensors["residual"]),
        observations=int(tensors["observations"]),
    )


def longest_run(found: Bool[Tensor, "t"]) -> range:
    """The longest row of frames that were all found, the first of equal ones; empty where none was."""
    edges = torch.cat([torch.zeros(1), found.float(), torch.zeros(1)]).diff()
    starts, stops = (edges > 0).nonzero()[:, 0], (edges < 0).nonzero()[:, 0]
    if not len(starts):
        return range(0)
    longest = int((stops - starts).argmax())
    return range(int(starts[longest]), int(stops[longest]))


def packed_crops(crops: Iterable[Eyes]) -> dict[str, Tensor]:
    """In 8 bits."""
    left, right = zip(*((_bytes(one), _bytes(other)) for one, other in crops), strict=True)
    return {"left": torch.stack(left), "right": torch.stack(right)}


def as_frames(stored: UInt8[Tensor, "t 3 h w"]) -> Iterator[Float[Tensor, "3 h w"]]:
    """One at a time."""
    return (frame.float() / 255 for frame in stored)


def as_video(stored: UInt8[Tensor, "t 3 h w"]) -> Video:
    return stored.float() / 255


@dataclass(frozen=True, kw_only=True)
class Matched:
    """depth: metres, NaN where a test removed it. left_right, vertical: residuals in pixels, NaN where not known.
    removed: share of all pixels that each test removed."""

    depth: Float[Tensor, "t h w"]
    left_right: Float[Tensor, "t h w"]
    vertical: Float[Tensor, "t h w"]
    removed: Mapping[str, float]

    def packed(self) -> dict[str, Tensor]:
        """Residuals as float16: 11 bits are plenty for what is at most a pixel or so."""
        shares = {f"removed.{name}": torch.tensor(share, dtype=torch.float64) for name, share in self.removed.items()}
        return {"depth": self.depth, "left_right": self.left_right.half(), "vertical": self.vertical.half(), **shares}

    @classmethod
    def unpacked(cls, tensors: Mapping[str, Tensor]) -> "Matched":
        removed = {key.removeprefix("removed."): float(tensors[key]) for key in tensors if key.startswith("removed.")}
        residuals = {name: tensors[name].float() for name in ("left_right", "vertical")}
        return cls(depth=tensors["depth"], removed=removed, **residuals)


def packed_tracks(tracks: PixelTracks) -> dict[str, Tensor]:
    return {"pixels": tracks.pixels, "visible": tracks.visible, "query": tracks.query}


def unpacked_tracks(tensors: Mapping[str, Tensor]) -> PixelTracks:
    return PixelTracks(pixels=tensors["pixels"], visible=tensors["visible"], query=tensors["query"])


def mean_shares(each: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: sum(shares[name] for shares in each) / len(each) for name in each[0]}


def _bytes(image: Float[Tensor, "3 h w"]) -> UInt8[Tensor, "3 h w"]:
    return (image.clamp(0, 1) * 255).round().byte()
