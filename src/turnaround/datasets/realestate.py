"""RealEstate10K's layout: text files of cameras, and the videos they belong to."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from turnaround.datasets.benchmark_files import require_bounded
from turnaround.datasets.cover import Cover
from turnaround.datasets.drops import Drops
from turnaround.datasets.kept import file_digest, kept
from turnaround.io.existing import existing_file, inside
from turnaround.io.realestate import read_timed_cameras
from turnaround.io.timed_frames import frames_at
from turnaround.io.video import open_frames
from turnaround.types import Clip, InputError, Pinhole

CAMERAS, VIDEOS = "cameras", "videos"


class RealEstate:
    """ROOT/cameras/<id>.txt and ROOT/videos/<id>.mp4: a `ClipSource` with cameras and without depth.

    Of the times of a file the first `frames`, `stride` apart, are used, fewer where it ends; those at which the video
    has no frame (`io.timed_frames`) are left out, and `sources` says how many. Pictures are brought to height x width
    (`Cover`), and kept so below `cache`. The unit of length is each file's own; nothing says that it is a metre.

    Clips with a bad or missing file, or with fewer than two frames, are dropped when they are drawn.
    """

    def __init__(self, *, root: str, height: int, width: int, frames: int, stride: int, cache: str):
        if frames < 2 or stride < 1:
            found = f"frames {frames}, stride {stride}"
            raise InputError("frames", expected="frames >= 2, stride >= 1", found=found, fix="correct them")
        require_bounded("frames", frames, height, width)
        self.root, self.cache, self.cover = Path(root), Path(cache), Cover(height=height, width=width)
        self.selection = slice(0, frames * stride, stride)
        self.drops = Drops("clips with cameras")

    def ids(self) -> Sequence[str]:
        """InputError: none."""
        return self._names

    def clip(self, id: str) -> Clip:
        """DroppedError: it cannot serve."""
        with self.drops.named(id):
            listing, path = (
                inside(self.root / folder, f"{id}{suffix}", listed_in=f"clip {id}")
                for folder, suffix in ((CAMERAS, ".txt"), (VIDEOS, ".mp4"))
            )
            timed = read_timed_cameras(listing)
            existing_file(path, expected="the video of these cameras")
            seconds = timed.seconds[self.selection]
            decides = [
                *(file_digest(file, expected="a clip") for file in (listing, path)),
                repr((self.cover, self.selection)),
            ]
            found = kept(self.cache, decides, lambda: self._pictures(path, seconds))
            places = found["places"]
            if len(places) < 2:
                expected = "two frames at the times of its cameras, or more"
                raise InputError(path, expected=expected, found=str(len(places)), fix="give the video of that clip")
        chosen = range(len(timed.seconds))[self.selection]
        numbers = torch.tensor([chosen[int(place)] for place in places])
        height, width = (int(side) for side in found["size"])
        absent = len(seconds) - len(places)
        return Clip(
            id=id,
            video=found["video"].float() / 255,
            cameras=Pinhole(
                world_from_cam=timed.world_from_cam[numbers].float(),
                intrinsics=self.cover.intrinsics(path, timed.intrinsics[numbers], height, width).float(),
                height=self.cover.height,
                width=self.cover.width,
            ),
            sources={
                "video": f"{VIDEOS}/{id}.mp4, without {absent} of {len(seconds)} times",
                "cameras": f"{CAMERAS}/{id}.txt, in units of their own",
            },
        )

    def _pictures(self, path: Path, seconds: Float[Tensor, "n"]) -> dict[str, Tensor]:
        """Bytes of the frames, which of the times they are of, and the size they had."""
        source = open_frames(path)
        cut = [(number, self.cover.cut(path, frame)) for number, frame in frames_at(path, seconds)]
        video = torch.stack([frame for _, frame in cut]) if cut else torch.zeros(0, 3, 1, 1)
        return {
            "video": (video * 255).round().to(torch.uint8),
            "places": torch.tensor([number for number, _ in cut], dtype=torch.int64),
            "size": torch.tensor([source.height, source.width]),
        }

    @cached_property
    def _names(self) -> list[str]:
        names = sorted(path.stem for path in (self.root / CAMERAS).glob("[!.]*.txt"))
        if not names:
            expected = f"files {CAMERAS}/ID.txt, with {VIDEOS}/ID.mp4"
            raise InputError(self.root, expected=expected, found="none", fix="correct the root")
        return names
