"""Which of the two forward splats runs."""

import torch

from turnaround.render import fast_splat, splat
from turnaround.render.elements import Edges
from turnaround.types import Pinhole, View, Warped


def forward_splat(view: View, camera: Pinhole, *, edges: Edges) -> Warped:
    """`splat.forward_splat`; float32 tensors on the CPU that need no gradient take the compiled one."""
    on_cpu = view.image.device.type == view.depth.device.type == "cpu"
    plain = view.image.dtype == view.depth.dtype == torch.float32
    learns = torch.is_grad_enabled() and view.image.requires_grad
    return (fast_splat if on_cpu and plain and not learns else splat).forward_splat(view, camera, edges=edges)
