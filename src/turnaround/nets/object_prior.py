"""A `MultiViewPrior` from any network that gives an object's views from fixed sides."""

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from scipy.ndimage import binary_fill_holes
from torch import Tensor, nn
from torch.nn.functional import grid_sample, interpolate, pad

from turnaround.geometry.paths import UP
from turnaround.geometry.projection import pinhole_rays, pixel_grid
from turnaround.geometry.se3 import invert, look_at
from turnaround.nets.device import placed
from turnaround.nets.fingerprint import fingerprint
from turnaround.types import InputError, ObjectViews, PicturedObject, Pinhole, WeightsNotice

GREY = 0.5  # what objects stand before
WHOLLY = 0.999  # of what a pixel is sampled from lies in the object


class NoPrior:
    """Knows nothing of any side."""

    name = "none"
    weights: Sequence[WeightsNotice] = ()

    def views(self, seen: PicturedObject, cameras: Pinhole, *, seed: int) -> ObjectViews:
        return _unsure(cameras)

    def fingerprint(self) -> str:
        return self.name


class FixedViews(nn.Module, ABC):
    """Square views of `side` pixels, `count` of them, of an object before grey."""

    count: int

    def __init__(self, *, side: int, weights: Sequence[WeightsNotice]):
        super().__init__()
        self.side, self._weights = side, tuple(weights)

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        return self._weights

    @abstractmethod
    def views(self, square: Float[Tensor, "3 s s"], generator: torch.Generator) -> Float[Tensor, "n 3 s s"]:
        """square: the object before grey, RGB in [0, 1]. generator: on the CPU, of all that is random."""


@dataclass(frozen=True, kw_only=True)
class Imagined:
    """Views with the pixels of the object in them."""

    views: Float[Tensor, "n 3 s s"]
    masks: Bool[Tensor, "n s s"]


class FixedViewPrior:
    """Gives each camera the nearest of the network's views, as a flat picture that stands in the object's middle.

    azimuths, elevations: degrees of the network's views; azimuths are counted to the right from where the picture was
    taken, elevations up from the level, which is where its camera looks along. fill: share of the square that the
    object's longer side takes when the network is shown it. contrast: from the grey at a view's border, above which a
    pixel is of the object. reach: degrees between a camera and its view, above which nothing is sure. The object is as
    tall in the views, on average, as in the picture.

    device: where the network runs, "auto" for a GPU where there is one.
    """

    def __init__(
        self,
        *,
        network: FixedViews,
        azimuths: Sequence[float],
        elevations: Sequence[float],
        fill: float,
        contrast: float,
        reach: float,
        device: str,
        name: str,
    ):
        if not len(azimuths) == len(elevations) == network.count:
            found = f"{len(azimuths)} and {len(elevations)}"
            expected = f"{network.count} azimuths and elevations, as the network has views"
            raise InputError("prior", expected=expected, found=found, fix="correct them")
        if not 0 < fill <= 1:
            raise InputError("prior.fill", expected="above 0, at most 1", found=f"{fill:g}", fix="correct it")
        self.network, self.device = placed(network, device)
        self.name = name
        self.azimuths, self.elevations = tuple(azimuths), tuple(elevations)
        self.fill, self.contrast, self.reach = fill, contrast, reach
        self._last: tuple[str, Imagined] | None = None

    @property
    def weights(self) -> Sequence[WeightsNotice]:
        return self.network.weights

    def fingerprint(self) -> str:
        settings = (self.azimuths, self.elevations, self.fill, self.contrast, self.reach)
        digest = f"{settings!r} {fingerprint({'network': self.network})}"
        return hashlib.sha256(digest.encode()).hexdigest()[:16]

    def views(self, seen: PicturedObject, cameras: Pinhole, *, seed: int) -> ObjectViews:
        """InputError: an object without a pixel, or of no depth."""
        if not seen.mask.any() or not 0 < seen.depth < math.inf:
            expected, found = "an object with pixels, at a known depth", f"{int(seen.mask.sum())} at {seen.depth:g} m"
            raise InputError("prior", expected=expected, found=found, fix="give another mask")
        imagined = self._imagined(seen, seed)
        tall = imagined.masks.any(dim=2).sum(dim=1).float()
        if not (tall > 0).any():
            return _unsure(cameras)
        rows = seen.mask.any(dim=1).nonzero()
        metres = float(rows.max() - rows.min() + 1) * seen.depth / float(seen.camera.intrinsics[0, 1, 1])
        stand = _Stand(seen=seen, azimuths=self.azimuths, elevations=self.elevations, pixel=metres / float(tall.mean()))
        made = [stand.shown(imagined, cameras.at(index), self.reach) for index in range(len(cameras))]
        return ObjectViews(video=torch.stack([view for view, _ in made]), sure=torch.stack([sure for _, sure in made]))

    @torch.inference_mode()
    def _imagined(self, seen: PicturedObject, seed: int) -> Imagined:
        """Those of the last picture are kept: cameras are asked for one after another."""
        digest = hashlib.sha256(repr(seed).encode())
        for tensor in (seen.image, seen.mask):
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        if self._last is None or self._last[0] != digest.hexdigest():
            square = before_grey(seen.image, seen.mask, self.fill, self.network.side)
            generator = torch.Generator().manual_seed(seed)
            views = self.network.views(square.to(self.device), generator).float().cpu()
            self._last = digest.hexdigest(), Imagined(views=views, masks=object_masks(views, self.contrast))
        return self._last[1]


@dataclass(frozen=True, kw_only=True)
class _Stand:
    """Where the views stand around the object. pixel: metres of a view's pixel in the object's middle."""

    seen: PicturedObject
    azimuths: Sequence[float]
    elevations: Sequence[float]
    pixel: float

    def shown(
        self, imagined: Imagined, camera: Pinhole, reach: float
    ) -> tuple[Float[Tensor, "3 h w"], Bool[Tensor, "h w"]]:
        middle, to_views = self._middle(), self._axes()
        seen_from_cam = invert(self.seen.camera.world_from_cam[0].double()) @ camera.world_from_cam[0].double()
        away = torch.nn.functional.normalize(seen_from_cam[:3, 3] - middle, dim=0)
        cosines = -to_views[:, :, 2] @ away  # a view's z axis points at the object
        number = int(cosines.argmax())
        if float(cosines[number]) < math.cos(math.radians(reach)):
            unsure = _unsure(camera)
            return unsure.video[0], unsure.sure[0]
        places, before = self._places(camera, seen_from_cam, to_views[number], middle)
        side = imagined.views.shape[-1]
        grid = (2 * places / side).float()[None]  # -1 to 1 from edge to edge, 0 in the object's middle
        layers = torch.cat([imagined.views[number], imagined.masks[number][None].float()])
        sampled = grid_sample(layers[None], grid, align_corners=False)[0]
        sure = (sampled[3] > WHOLLY) & before
        return sampled[:3].masked_fill(~sure, 0.0), sure

    def _places(
        self,
        camera: Pinhole,
        seen_from_cam: Float[Tensor, "4 4"],
        axes: Float[Tensor, "3 3"],
        middle: Float[Tensor, "3"],
    ) -> tuple[Float[Tensor, "h w 2"], Bool[Tensor, "h w"]]:
        """Where on a view each pixel's ray meets it, in pixels from its middle, and whether it does."""
        k = camera.intrinsics[0].double()
        rays = pinhole_rays(pixel_grid(camera.height, camera.width, like=k), k) @ seen_from_cam[:3, :3].T
        toward = rays @ axes[:, 2]
        distance = ((middle - seen_from_cam[:3, 3]) @ axes[:, 2]) / toward
        points = seen_from_cam[:3, 3] + distance[..., None] * rays - middle
        places = torch.stack([points @ axes[:, 0], points @ axes[:, 1]], dim=-1) / self.pixel
        return places.nan_to_num(nan=torch.inf, posinf=torch.inf, neginf=-torch.inf).clamp(-1e6, 1e6), distance > 0

    def _middle(self) -> Float[Tensor, "3"]:
        """Of the object, in the axes of the picture's camera."""
        rows, columns = (self.seen.mask.any(dim=axis).nonzero().double() for axis in (1, 0))
        pixel = torch.stack([(places.min() + places.max() + 1) / 2 for places in (columns, rows)])
        return pinhole_rays(pixel, self.seen.camera.intrinsics[0].double()) * self.seen.depth

    def _axes(self) -> Float[Tensor, "n 3 3"]:
        """x, y and z of each view's camera in those of the picture's."""
        middle = self._middle()
        start = math.atan2(-float(middle[0]), float(middle[2]))
        azimuth = torch.tensor(self.azimuths, dtype=torch.float64).deg2rad() + start
        elevation = torch.tensor(self.elevations, dtype=torch.float64).deg2rad()
        level = elevation.cos()
        eye = torch.stack([azimuth.sin() * level, -elevation.sin(), -azimuth.cos() * level], dim=1)
        return look_at(eye, torch.zeros_like(eye), UP)[:, :3, :3]


def before_grey(
    image: Float[Tensor, "3 h w"], mask: Bool[Tensor, "h w"], fill: float, size: int
) -> Float[Tensor, "3 s s"]:
    """The object alone in the middle of a square of which its longer side takes the share `fill`."""
    (top, bottom), (left, right) = (
        (int(places.min()), int(places.max()) + 1) for places in (mask.any(dim=axis).nonzero() for axis in (1, 0))
    )
    tall, wide = bottom - top, right - left
    side = max(math.ceil(max(tall, wide) / fill), max(tall, wide))
    alone = torch.where(mask, image, GREY)[:, top:bottom, left:right]
    above, before = (side - tall) // 2, (side - wide) // 2
    square = pad(alone, (before, side - wide - before, above, side - tall - above), value=GREY)
    return interpolate(square[None], (size, size), mode="bilinear", antialias=True)[0].clamp(0, 1)


def object_masks(views: Float[Tensor, "n 3 s s"], contrast: float) -> Bool[Tensor, "n s s"]:
    """What differs from the colour of a view's border, the median of it, and all that this encloses."""
    border = torch.cat([views[..., 0, :], views[..., -1, :], views[..., :, 0], views[..., :, -1]], dim=-1)
    ground = border.median(dim=-1).values[:, :, None, None]
    differs = (views - ground).abs().amax(dim=1) > contrast
    return torch.stack([torch.from_numpy(binary_fill_holes(each.numpy())) for each in differs])


def _unsure(cameras: Pinhole) -> ObjectViews:
    shape = len(cameras), cameras.height, cameras.width
    return ObjectViews(video=torch.zeros(shape[0], 3, *shape[1:]), sure=torch.zeros(shape, dtype=torch.bool))
