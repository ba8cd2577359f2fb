"""`scene.safetensors`: a finished orbit's scene cache with its path and setting, of which all can be rendered again.

Of a key view only the pixels are kept that it holds, those of known depth: colour, label and confidence of others reach
no picture. What is kept is kept bit for bit.
"""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from safetensors import SafetensorError, safe_open
from torch import Tensor

from turnaround.geometry.se3 import distance_to_rotation
from turnaround.io.existing import existing_file
from turnaround.io.image import MAX_SIDE
from turnaround.io.json_object import stored_number
from turnaround.io.tensors import write_tensors
from turnaround.pipelines.orbit.exports.export import Setting
from turnaround.render.cache import Surfaces
from turnaround.render.elements import Edges, is_known
from turnaround.types import DepthKind, InputError, KeyView, Pinhole, Provenance, SceneCache, View

NAME, STATED, VERSION = "scene.safetensors", "scene", 1
EXPECTED = "the scene of an orbit"
LAYERS = ("views", "behind")
MAX_VIEWS = 4096  # of each layer
MAX_PIXELS = 2**29  # of all key views together: 11 GB in memory
ROUNDED = 1e-4  # that poses in float32 may be away from rigid motions
FLOATS, COLORS = (torch.float32, torch.float64), (torch.uint8, torch.float32, torch.float64)


@dataclass(frozen=True, kw_only=True)
class StoredScene:
    """path: the cameras of the video."""

    cache: SceneCache
    path: Pinhole
    setting: Setting


def write_scene(path: Path, scene: StoredScene) -> None:
    tensors = {**_packed_camera("path", scene.path)}
    for layer, views in zip(LAYERS, (scene.cache.views, scene.cache.behind), strict=True):
        for number, view in enumerate(views):
            tensors |= _packed(f"{layer}.{number:04d}", view)
    write_tensors(path, tensors, {STATED: json.dumps(_stated(scene), allow_nan=False)})


def read_run(folder: Path) -> StoredScene:
    """Of the folder of a finished run. InputError: none, or a scene that is missing or damaged."""
    if not folder.is_dir():
        found = "a file" if folder.exists() else "no such folder"
        raise InputError(folder, expected="the folder of a run of pipeline=orbit", found=found, fix="correct input=")
    if not (folder / NAME).exists():
        fix = "run pipeline=orbit with this out= again; it writes the scene unless exports.files.scene=null"
        raise InputError(folder, expected="the folder of a finished orbit", found=f"no {NAME} in it", fix=fix)
    return read_scene(folder / NAME)


def read_scene(path: Path) -> StoredScene:
    """InputError: anything missing, unknown, damaged or out of bounds."""
    existing_file(path, expected=EXPECTED)
    with _opened(path) as file:
        stated = _Stated(path, file.metadata())
        tensors = _Tensors(path, file)
        counts = [stated.count(layer) for layer in LAYERS]
        if counts[0] == 0:
            raise _damaged(path, "at least one view", "none")
        views, behind = (
            [_unpacked(tensors, f"{layer}.{number:04d}") for number in range(count)]
            for layer, count in zip(LAYERS, counts, strict=True)
        )
        scene = StoredScene(
            cache=SceneCache(views=tuple(views), behind=tuple(behind)),
            path=_unpacked_camera(tensors, "path"),
            setting=stated.setting(),
        )
        tensors.require_all_read()
    return scene


def _stated(scene: StoredScene) -> dict[str, Any]:
    setting = scene.setting
    return {
        "version": VERSION,
        "views": len(scene.cache.views),
        "behind": len(scene.cache.behind),
        "fps": setting.fps,
        "closed": setting.closed,
        "kind": str(setting.kind),
        "pivot": setting.pivot.double().tolist(),
        "surfaces": asdict(setting.surfaces),
        "radius": setting.radius if math.isfinite(setting.radius) else None,
    }


def _packed(name: str, key: KeyView) -> dict[str, Tensor]:
    """image: [3 n] of the n known pixels, row by row, in 8 bits where that is exact; others [n] alike."""
    known = is_known(key.view.depth)
    image = key.view.image[:, known]
    steps = (image * 255).round().clamp(0, 255).to(torch.uint8)
    return {
        f"{name}.known": torch.from_numpy(np.packbits(known.flatten().numpy())),
        f"{name}.image": steps if torch.equal(steps.to(image.dtype) / 255, image) else image,
        f"{name}.depth": key.view.depth[known],
        f"{name}.label": key.label[known],
        f"{name}.confidence": key.confidence[known],
        f"{name}.step": torch.tensor(key.step),
        **_packed_camera(name, key.view.camera),
    }


def _unpacked(tensors: "_Tensors", name: str) -> KeyView:
    camera = _unpacked_camera(tensors, name)
    if len(camera) != 1:
        raise _damaged(tensors.path, f"one camera under {name}", f"{len(camera)}")
    height, width = camera.height, camera.width
    known = _unpacked_mask(tensors, f"{name}.known", height, width)
    count = int(known.sum())
    image = tensors.take(f"{name}.image", COLORS, 3, count)
    if image.dtype is torch.uint8:
        image = image.float() / 255
    depth = tensors.take(f"{name}.depth", FLOATS, count)
    label = tensors.take(f"{name}.label", (torch.uint8,), count)
    confidence = tensors.take(f"{name}.confidence", FLOATS, count)
    step = int(tensors.take(f"{name}.step", (torch.int64,)))
    tensors.require(f"{name}.image", _within(image), "colours in [0, 1]")
    tensors.require(f"{name}.depth", bool(is_known(depth).all()), "depth above 0")
    tensors.require(f"{name}.label", bool((label <= max(Provenance)).all()), "labels 0, 1 and 2")
    tensors.require(f"{name}.confidence", _within(confidence), "confidence in [0, 1]")
    tensors.require(f"{name}.step", 0 <= step < 2**15, "the number of a step")
    return KeyView(
        view=View(image=_spread(image, known, 0.0), depth=_spread(depth, known, torch.nan), camera=camera),
        label=_spread(label, known, int(Provenance.GENERATED)),
        confidence=_spread(confidence, known, 0.0),
        step=step,
    )


def _packed_camera(name: str, camera: Pinhole) -> dict[str, Tensor]:
    return {
        f"{name}.world_from_cam": camera.world_from_cam,
        f"{name}.intrinsics": camera.intrinsics,
        f"{name}.size": torch.tensor([camera.height, camera.width]),
    }


def _unpacked_camera(tensors: "_Tensors", name: str) -> Pinhole:
    height, width = tensors.take(f"{name}.size", (torch.int64,), 2).tolist()
    tensors.require(f"{name}.size", min(height, width) >= 1 and max(height, width) <= MAX_SIDE, "height and width")
    poses = tensors.take(f"{name}.world_from_cam", FLOATS, None, 4, 4)
    lenses = tensors.take(f"{name}.intrinsics", FLOATS, len(poses), 3, 3)
    tensors.require(f"{name}.world_from_cam", len(poses) >= 1 and _rigid(poses), "rigid motions")
    tensors.require(f"{name}.intrinsics", _lenses(lenses), "lenses")
    return Pinhole(world_from_cam=poses, intrinsics=lenses, height=height, width=width)


def _unpacked_mask(tensors: "_Tensors", name: str, height: int, width: int) -> Bool[Tensor, "h w"]:
    tensors.count_pixels(height * width)
    bits = tensors.take(name, (torch.uint8,), math.ceil(height * width / 8))
    mask = np.unpackbits(bits.numpy(), count=height * width).astype(bool)
    return torch.from_numpy(mask).view(height, width)


def _spread(values: Tensor, known: Bool[Tensor, "h w"], rest: int | float) -> Tensor:
    """[... n] of known pixels to [... h w]."""
    spread = values.new_full((*values.shape[:-1], *known.shape), rest)
    spread[..., known] = values
    return spread


def _within(values: Float[Tensor, "*shape"]) -> bool:
    return bool(((values >= 0) & (values <= 1)).all())  # NaN is not


def _rigid(poses: Float[Tensor, "t 4 4"]) -> bool:
    bottom = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=poses.dtype)
    apart = distance_to_rotation(poses[:, :3, :3].double())
    return bool((apart <= ROUNDED).all() and poses.isfinite().all() and (poses[:, 3] == bottom).all())


def _lenses(k: Float[Tensor, "t 3 3"]) -> bool:
    """fx is negative of views in a mirror (`geometry.inflation`)."""
    bottom = torch.tensor([0.0, 0.0, 1.0], dtype=k.dtype)
    return bool(k.isfinite().all() and (k[:, 0, 0] != 0).all() and (k[:, 1, 1] > 0).all() and (k[:, 2] == bottom).all())


class _Stated:
    """What the file says of itself."""

    def __init__(self, path: Path, metadata: Mapping[str, str] | None):
        self.path = path
        try:
            stored = json.loads((metadata or {})[STATED])
        except (KeyError, ValueError, RecursionError) as error:
            raise _damaged(path, EXPECTED, "safetensors of something else") from error
        self.stored: dict[str, Any] = stored if isinstance(stored, dict) else {}
        version = self.stored.get("version")
        if version != VERSION:
            raise _damaged(path, f"version {VERSION} of its format", f"{version!r}"[:40])

    def count(self, layer: str) -> int:
        value = self.stored.get(layer)
        if type(value) is not int or not 0 <= value <= MAX_VIEWS:
            raise _damaged(self.path, f"0 to {MAX_VIEWS} under {layer!r}", f"{value!r}"[:40])
        return value

    def setting(self) -> Setting:
        surfaces, pivot = self.stored.get("surfaces"), self.stored.get("pivot")
        surfaces = surfaces if isinstance(surfaces, dict) else {}
        edges, company = surfaces.get("edges"), surfaces.get("company")
        edges = edges if isinstance(edges, dict) else {}
        closed, kind = self.stored.get("closed"), self.stored.get("kind")
        pivot = pivot if isinstance(pivot, list) and len(pivot) == 3 else None
        known = kind in list(DepthKind)
        if pivot is None or not isinstance(company, int) or not isinstance(closed, bool) or not known:
            raise _damaged(self.path, "a kind of depth, a pivot and surfaces", "others")
        return Setting(
            fps=self._number(self.stored, "fps", least=1e-3),
            closed=closed,
            kind=DepthKind(kind),
            pivot=torch.tensor([self._number({"pivot": each}, "pivot") for each in pivot], dtype=torch.float64),
            radius=math.inf if self.stored.get("radius") is None else self._number(self.stored, "radius", least=0.0),
            surfaces=Surfaces(
                edges=Edges(**{name: self._number(edges, name, least=0.0) for name in ("depth_ratio", "stretch")}),
                tolerance=self._number(surfaces, "tolerance", least=0.0),
                company=company,
                window=self._number(surfaces, "window", least=0.0),
                density=self._number(surfaces, "density", least=0.0),
            ),
        )

    def _number(self, stored: Mapping[str, Any], key: str, *, least: float = -math.inf) -> float:
        value = stored_number(stored, key, self.path)
        if value < least:
            raise _damaged(self.path, f"at least {least:g} under {key!r}", f"{value:g}")
        return value


class _Tensors:
    """The tensors of an open file; sizes are checked before any is read."""

    def __init__(self, path: Path, file: Any):
        self.path, self.file = path, file
        self.left, self.pixels = set(file.keys()), 0

    def take(self, name: str, dtypes: tuple[torch.dtype, ...], *shape: int | None) -> Tensor:
        """shape: None for any length."""
        if name not in self.left:
            raise _damaged(self.path, f"{name} in it", "none")
        found = self.file.get_slice(name).get_shape()
        if len(found) != len(shape) or any(b not in (None, a) for a, b in zip(found, shape, strict=True)):
            raise _damaged(self.path, f"{name} of {shape}", f"{tuple(found)}")
        tensor = self.file.get_tensor(name)
        if tensor.dtype not in dtypes:
            raise _damaged(self.path, f"{name} of {' or '.join(map(str, dtypes))}", f"{tensor.dtype}")
        self.left.remove(name)
        return tensor

    def require(self, name: str, sound: bool, expected: str) -> None:
        if not sound:
            raise _damaged(self.path, f"{expected} under {name}", "others")

    def count_pixels(self, pixels: int) -> None:
        self.pixels += pixels
        if self.pixels > MAX_PIXELS:
            raise _damaged(self.path, f"at most {MAX_PIXELS} pixels", "more")

    def require_all_read(self) -> None:
        if self.left:
            raise _damaged(self.path, "nothing else in it", min(self.left))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged(path, EXPECTED, str(error)) from error


def _damaged(path: Path, expected: str, found: str) -> InputError:
    return InputError(path, expected=expected, found=found, fix="run pipeline=orbit again")
