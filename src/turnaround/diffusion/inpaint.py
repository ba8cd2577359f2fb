"""An `Inpainter` from any inpainting network and sampler: crops around holes, and nothing known is touched."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import max_pool2d

from turnaround.diffusion.placing import fingerprint, place, resize, scaled_size
from turnaround.diffusion.sample import Sampler
from turnaround.diffusion.scene_noise import picture_noise, scene_noise
from turnaround.geometry.holes import fill_from_behind, fill_holes
from turnaround.types import Condition, FilledVideo, InpaintNetwork, InputError, PartialVideo, Pinhole, WeightsNotice

Maps = Float[Tensor, "b t h w"]


class DiffusionInpainter:
    """Fills the holes of each frame by itself.

    A frame is cropped to its holes and what lies within `context` of their width and height around them; a crop of more
    than `pixels` pixels is made smaller for the network. Noise belongs to places in the scene where depth and cameras
    are known, else to places in the frame. What the network makes of the known border of a hole tells how far its
    colours are off there; that is taken back inside the hole, less and less over `seam` pixels. Known pixels are
    returned as they came.

    device: where the network runs, "auto" for a GPU where there is one.
    """

    def __init__(
        self,
        *,
        network: InpaintNetwork,
        sampler: Sampler,
        context: float,
        pixels: int,
        seam: int,
        device: str,
        name: str,
    ):
        self.network, self.sampler = network, sampler
        self.context, self.pixels, self.seam, self.name = context, pixels, seam, name
        self.device = place(network, device)

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        return self.network.weights

    def fingerprint(self) -> str:
        """Changes with whatever decides what it gives: settings and weights."""
        return fingerprint((self.sampler, self.context, self.pixels, self.seam), self.network)

    def fill(self, partial: PartialVideo, *, seed: int) -> FilledVideo:
        """InputError: a frame without a known pixel."""
        frames = [self._frame(frame_of(partial, index), index, seed) for index in range(len(partial.video))]
        depth = None if partial.depth is None else torch.stack([f.depth[0] for f in frames if f.depth is not None])
        return FilledVideo(video=torch.cat([frame.video for frame in frames]), depth=depth)

    @torch.inference_mode()
    def _frame(self, partial: PartialVideo, index: int, seed: int) -> FilledVideo:
        hole = partial.hole[0]
        if not hole.any():
            return FilledVideo(video=partial.video, depth=partial.depth)
        if hole.all():
            expected, fix = "some known pixels", "give a hole that leaves something to go on from"
            raise InputError(f"frame {index}", expected=expected, found="a hole everywhere", fix=fix)
        box = crop_around(hole, self.context, self.network.size_multiple)
        seen = padded(partial, box)
        scale = disparity_scale(inverse_of(seen)[None])
        pictures = with_disparity(seen, scale)
        small, hidden = shrunk(pictures, seen.hole[None], self.working_size(box.height, box.width))
        noise = self._noise(seen, small, hidden, scale, index, box, seed)
        condition = self._condition(small, hidden)
        latents = self.sampler.sample(self.network, condition, noise[None, None].to(self.device))
        found = self.network.decode(latents)[0].float().clamp(0, 1).cpu()
        found = resize(found, (box.height, box.width))
        found = take_back_offset(found, pictures[0], seen.hole, self.seam).clamp(0, 1)
        return composited(partial, found, scale, box)

    def working_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of a crop for the network: its own, or about `pixels` in all."""
        ratio = min((self.pixels / (height * width)) ** 0.5, 1.0)
        return scaled_size(height, width, ratio=ratio, multiple=self.network.size_multiple)

    def _condition(self, small: Float[Tensor, "1 t 4 h w"], hidden: Bool[Tensor, "1 t h w"]) -> Condition:
        pictures = small[:, :, : self.network.picture_channels]
        return self.network.condition(pictures.to(self.device), hidden.to(self.device))

    def _noise(
        self,
        seen: PartialVideo,
        small: Float[Tensor, "1 1 4 h w"],
        hidden: Bool[Tensor, "1 1 h w"],
        scale: Tensor,
        index: int,
        box: "Box",
        seed: int,
    ) -> Float[Tensor, "d y x"]:
        factor, channels = self.network.factor, self.network.latent_channels
        rows, columns = (side // factor for side in small.shape[-2:])
        if seen.depth is None or seen.cameras is None or not (seen.depth > 0).any():
            top = round(box.top * small.shape[-2] / box.height / factor)
            left = round(box.left * small.shape[-1] / box.width / factor)
            places = range(top, top + rows), range(left, left + columns)
            return picture_noise(*places, channels=channels, seed=seed, frame=index)
        disparity = fill_from_behind(small, hidden)[:, :, 3]
        middles = resize(disparity, (rows, columns))[0, 0] if factor > 1 else disparity[0, 0]
        depth = scale.flatten()[0] / middles.clamp(min=1e-3)  # a thousand times the nearest is as good as infinite
        camera = scaled_camera(seen.cameras, small.shape[-2], small.shape[-1])
        return scene_noise(depth, camera, factor=factor, channels=channels, seed=seed)


@dataclass(frozen=True, kw_only=True)
class Box:
    """A crop in pixels, which may reach over the right and the lower edge of a frame."""

    top: int
    left: int
    height: int
    width: int


def frame_of(partial: PartialVideo, index: int) -> PartialVideo:
    """One frame as a video."""
    only = slice(index, index + 1)
    return PartialVideo(
        video=partial.video[only],
        hole=partial.hole[only],
        depth=None if partial.depth is None else partial.depth[only],
        cameras=None if partial.cameras is None else partial.cameras.at(index),
    )


def crop_around(hole: Bool[Tensor, "h w"], context: float, multiple: int) -> Box:
    """The holes, `context` times their width and height to all sides, and up to whole multiples."""
    height, width = hole.shape
    rows, columns = (hole.any(axis).nonzero().flatten() for axis in (1, 0))

    def reach(places: Tensor, size: int) -> tuple[int, int]:
        first, last = int(places[0]), int(places[-1]) + 1
        more = max(round(context * (last - first)), 2 * multiple)
        start = max(first - more, 0) // multiple * multiple
        return start, -(-(min(last + more, size) - start) // multiple) * multiple

    (top, tall), (left, wide) = reach(rows, height), reach(columns, width)
    return Box(top=top, left=left, height=tall, width=wide)


def padded(partial: PartialVideo, box: Box) -> PartialVideo:
    """The crop of a video; what lies over its edge is a hole."""
    height, width = partial.hole.shape[-2:]
    rows, columns = slice(box.top, box.top + box.height), slice(box.left, box.left + box.width)
    over = (0, max(box.left + box.width - width, 0), 0, max(box.top + box.height - height, 0))

    def cut(values: Tensor, filling: float | bool) -> Tensor:
        return torch.nn.functional.pad(values[..., rows, columns], over, value=filling)

    cameras = partial.cameras
    if cameras is not None:
        k = cameras.intrinsics.clone()
        k[:, 0, 2] -= box.left
        k[:, 1, 2] -= box.top
        cameras = replace(cameras, intrinsics=k, height=box.height, width=box.width)
    return PartialVideo(
        video=cut(partial.video, 0.0),
        hole=cut(partial.hole, True),
        depth=None if partial.depth is None else cut(partial.depth, torch.nan),
        cameras=cameras,
    )


def shrunk(
    pictures: Float[Tensor, "b t p h w"], hole: Bool[Tensor, "b t h w"], size: tuple[int, int]
) -> tuple[Float[Tensor, "b t p y x"], Bool[Tensor, "b t y x"]]:
    """Smaller pictures whose pixels are known where all that goes into them is."""
    if hole.shape[-2:] == size:
        return pictures, hole
    whole = fill_from_behind(pictures, hole)
    small = resize(whole.flatten(0, 1), size).unflatten(0, hole.shape[:2])
    hidden = resize(hole.flatten(0, 1)[:, None].float(), size)[:, 0].unflatten(0, hole.shape[:2]) > 0
    return small.masked_fill(hidden[:, :, None], 0.0), hidden


def take_back_offset(
    found: Float[Tensor, "t p h w"], known: Float[Tensor, "t 4 h w"], hole: Bool[Tensor, "t h w"], seam: int
) -> Float[Tensor, "t p h w"]:
    """found, less its error on the known border of holes, smoothly spread inwards and gone after `seam` pixels."""
    if not seam:
        return found
    ring = ~hole & max_pool2d(hole.float(), 3, stride=1, padding=1).bool()
    error = torch.where(ring[:, None], found - known[:, : found.shape[1]], 0.0)
    spread = fill_from_behind(error[None, :, :3], ~ring[None])[0]
    spread = torch.cat([spread, torch.zeros_like(error[:, 3:])], dim=1)  # depth may jump there
    return found - spread * _nearness(hole, seam)[:, None]


def _nearness(hole: Bool[Tensor, "t h w"], reach: int) -> Float[Tensor, "t h w"]:
    """1 next to known pixels, falling to 0 over `reach` pixels into a hole."""
    near = (~hole).float()
    total = torch.zeros_like(near)
    for _ in range(reach):
        near = max_pool2d(near, 3, stride=1, padding=1)
        total = total + near
    return total / reach


def composited(partial: PartialVideo, found: Float[Tensor, "1 p h w"], scale: Tensor, box: Box) -> FilledVideo:
    """What was found, in holes alone. Depth is completed where the network gives it."""
    rows, columns = slice(box.top, box.top + box.height), slice(box.left, box.left + box.width)
    video = partial.video.clone()
    inside = video[..., rows, columns]
    hole = partial.hole[:, rows, columns]
    found = found[..., : inside.shape[-2], : inside.shape[-1]]
    video[..., rows, columns] = torch.where(hole[:, None], found[:, :3], inside)
    depth = partial.depth
    if depth is not None and found.shape[1] > 3:
        depth = depth.clone()
        new = 1 / (found[:, 3] / scale.flatten()[0]).clamp(min=1e-6)
        depth[..., rows, columns] = torch.where(hole, new, depth[..., rows, columns])
    return FilledVideo(video=video, depth=depth)


def inverse_of(partial: PartialVideo) -> Float[Tensor, "t h w"]:
    """1 / metres. Where the depth of a known pixel is not known it is that of what is known around; 0 in holes, and
    everywhere where no depth is known."""
    depth = torch.full_like(partial.video[:, 0], torch.nan) if partial.depth is None else partial.depth
    known = depth > 0
    inverse = torch.where(known, 1 / depth, 0.0)
    return fill_holes(inverse[None], known[None])[0].masked_fill(partial.hole, 0.0)


def with_disparity(partial: PartialVideo, scale: Tensor) -> Float[Tensor, "1 t 4 h w"]:
    """Colour, and disparity in [0, 1] by `scale`."""
    disparity = (inverse_of(partial)[None] * scale).clamp(0, 1)
    return torch.cat([partial.video[None], disparity[:, :, None]], dim=2)


def disparity_scale(seen_inverse: Maps) -> Float[Tensor, "b 1 1 1"]:
    """What takes inverse depth to disparity: 1 over the largest that is seen, so that infinity is 0 and holes, which
    show what lies behind, stay below 1. 1 where no depth is seen."""
    largest = seen_inverse.amax(dim=(1, 2, 3), keepdim=True)
    return torch.where(largest > 0, 1 / largest, 1.0)


def batch_disparity(seen_inverse: Maps, inverse: Maps) -> tuple[Maps, Maps]:
    """Disparity in [0, 1] of what is seen and of the target, by the scale of what is seen."""
    scale = disparity_scale(seen_inverse)
    return (seen_inverse * scale).clamp(0, 1), (inverse * scale).clamp(0, 1)


def pictures_of(
    network: InpaintNetwork, video: Float[Tensor, "b t 3 h w"], disparity: Maps
) -> Float[Tensor, "b t p h w"]:
    """The channels that the network knows."""
    return torch.cat([video, disparity[:, :, None]], dim=2)[:, :, : network.picture_channels]


def scaled_camera(camera: Pinhole, height: int, width: int) -> Pinhole:
    """The same camera with pictures of another size."""
    factors = torch.tensor([width / camera.width, height / camera.height, 1.0]).to(camera.intrinsics)
    return replace(camera, intrinsics=camera.intrinsics * factors[:, None], height=height, width=width)
