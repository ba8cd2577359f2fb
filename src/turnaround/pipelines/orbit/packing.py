"""Key views and videos as the tensors that a stage keeps."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from turnaround.types import KeyView, OrbitVideo, Pinhole, Rendering, View


def packed_view(view: KeyView) -> dict[str, Tensor]:
    camera = view.view.camera
    return {
        "image": view.view.image,
        "depth": view.view.depth,
        "label": view.label,
        "confidence": view.confidence,
        "step": torch.tensor(view.step),
        "world_from_cam": camera.world_from_cam,
        "intrinsics": camera.intrinsics,
    }


def unpacked_view(tensors: Mapping[str, Tensor]) -> KeyView:
    return KeyView(
        view=View(image=tensors["image"], depth=tensors["depth"], camera=_camera(tensors)),
        label=tensors["label"],
        confidence=tensors["confidence"],
        step=int(tensors["step"]),
    )


def packed_views(views: Sequence[KeyView]) -> dict[str, Tensor]:
    """Copies, for they may share cameras."""
    packed = {f"{n}.{name}": value.clone() for n, view in enumerate(views) for name, value in packed_view(view).items()}
    return {"count": torch.tensor(len(views)), **packed}


def unpacked_views(tensors: Mapping[str, Tensor]) -> tuple[KeyView, ...]:
    def one(prefix: str) -> KeyView:
        return unpacked_view({name.removeprefix(prefix): tensors[name] for name in tensors if name.startswith(prefix)})

    return tuple(one(f"{number}.") for number in range(int(tensors["count"])))


def packed_frames(frames: list[Rendering]) -> dict[str, Tensor]:
    """Colours as 8 bits, as they are written."""
    return {
        "video": torch.stack([(255 * frame.image).round().byte() for frame in frames]),
        "depth": torch.stack([frame.depth for frame in frames]),
        "label": torch.stack([frame.label for frame in frames]),
        "confidence": torch.stack([frame.confidence for frame in frames]),
        "step": torch.stack([frame.step for frame in frames]).short(),
        "world_from_cam": torch.cat([frame.camera.world_from_cam for frame in frames]),
        "intrinsics": torch.cat([frame.camera.intrinsics for frame in frames]),
    }


def unpacked_frames(tensors: Mapping[str, Tensor]) -> OrbitVideo:
    return OrbitVideo(
        video=tensors["video"].float() / 255,
        depth=tensors["depth"],
        label=tensors["label"],
        confidence=tensors["confidence"],
        step=tensors["step"],
        cameras=_camera(tensors),
    )


def _camera(tensors: Mapping[str, Tensor]) -> Pinhole:
    height, width = tensors["depth"].shape[-2:]
    return Pinhole(
        world_from_cam=tensors["world_from_cam"], intrinsics=tensors["intrinsics"], height=height, width=width
    )
