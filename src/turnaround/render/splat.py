"""A view in another camera, in PyTorch: forward splatting with a z-test, and soft splatting, which depth learns through.

`fast_splat` holds the CPU's version of the former; `engine` takes the one that fits.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from turnaround.render.elements import Edges, Elements, elements, is_known, pixel_map, positions, require_sound
from turnaround.types import Pinhole, View, Warped

REACH = 1 - 2.0**-10  # the furthest a colour is looked up from its pixel's centre: that pixel keeps a weight
FAINT = 1e-3  # bilinear weights below this are left out of a soft splat
NOBODY = torch.iinfo(torch.int64).max


def forward_splat(view: View, camera: Pinhole, *, edges: Edges) -> Warped:
    """Each pixel with known depth is a surface element; the nearest that covers a target pixel's centre wins.

    Elements of one surface tile, so nothing behind it shows through. Of equal depths (float32) the lowest source
    pixel wins. A winner that is seen from behind hides what lies behind it and is a hole itself. The colour is
    looked up bilinearly among pixels of the winner's surface, at the place that the target pixel's centre has in
    the view; so is 1 / depth. Gradients flow to the image.
    """
    require_sound(view, camera)
    parts = elements(view, camera, edges)
    winner = _nearest(parts, camera)
    target = (winner >= 0).nonzero().squeeze(1)
    source = winner[target]
    right, left, down, up = (e.flatten(1)[:, source] for e in (parts.right, parts.left, parts.down, parts.up))
    along_x, along_y = right - left, down - up
    area = along_x[0] * along_y[1] - along_x[1] * along_y[0]
    faces = area > 0
    target, source, along_x, along_y, area = (e[..., faces] for e in (target, source, along_x, along_y, area))
    centre = torch.stack([target % camera.width + 0.5, target // camera.width + 0.5]).double()
    off = centre - parts.at.flatten(1)[:, source]
    dx = (along_y[1] * off[0] - along_y[0] * off[1]) / area
    dy = (along_x[0] * off[1] - along_x[1] * off[0]) / area
    taps, weights = _taps(parts, source, dx, dy)
    image = (view.image.flatten(1)[:, taps] * weights.to(view.image)).sum(dim=1)
    depth = 1 / (weights / parts.z.flatten()[taps]).sum(dim=0)
    return _warped(camera, target, image, depth.to(view.depth), source)


def soft_splat(view: View, camera: Pinhole, *, sharpness: float) -> Warped:
    """Each pixel spreads over the 2 x 2 target pixels around it; gradients flow to image and depth.

    Weights are bilinear x exp(sharpness * nearest z of the whole splat / z), normalised per target pixel (Niklaus and
    Liu, Softmax Splatting, CVPR 2020, with inverse depth as the importance). A hole is where no bilinear weight
    reaches `FAINT`; source is the pixel of the largest weight, of equal ones the lowest.
    """
    require_sound(view, camera)
    source = is_known(view.depth).flatten().nonzero().squeeze(1)
    depth = torch.where(is_known(view.depth), view.depth, 1.0).double()
    u, v, z = (each.flatten()[source] for each in positions(depth, pixel_map(view.camera, camera)))
    left, top = (u.detach() - 0.5).floor(), (v.detach() - 0.5).floor()
    corners = torch.tensor([[0, 1, 0, 1], [0, 0, 1, 1]], device=u.device)
    column, row = left.unsqueeze(1) + corners[0], top.unsqueeze(1) + corners[1]
    bilinear = (1 - (u[:, None] - 0.5 - column).abs()) * (1 - (v[:, None] - 0.5 - row).abs())
    inside = (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height) & (z > 0)[:, None]
    kept = inside & (bilinear.detach() > FAINT)
    target = (row * camera.width + column)[kept].long()
    bilinear, z = bilinear[kept], z[:, None].expand_as(kept)[kept]
    source = source[:, None].expand_as(kept)[kept]
    share = _soft_weights(bilinear, z, target, sharpness, camera.height * camera.width)
    strongest, chosen = _strongest(share.detach(), source, target, camera.height * camera.width)
    image = _gather(view.image.flatten(1)[:, source] * share.to(view.image), target, camera)[:, strongest]
    depth = _gather((z * share)[None], target, camera)[0, strongest]
    return _warped(camera, strongest, image, depth.to(view.depth), chosen)


def _nearest(parts: Elements, camera: Pinhole) -> Int[Tensor, " n"]:
    """The source pixel that each target pixel shows, -1 where none covers its centre.

    An element covers the centres in [low, high): with the pixel c's centre at c + 0.5, c from ceil(low - 0.5) on.
    """
    size = torch.tensor([camera.width, camera.height], device=parts.at.device)[:, None, None]
    low = torch.minimum(parts.right, parts.left).clamp(max=0) + torch.minimum(parts.down, parts.up).clamp(max=0)
    high = torch.maximum(parts.right, parts.left).clamp(min=0) + torch.maximum(parts.down, parts.up).clamp(min=0)
    low, high = (parts.at + low - 0.5).ceil(), (parts.at + high - 0.5).ceil()
    first, last = (torch.minimum(each.clamp(min=0), size).long() for each in (low, high))
    count = (last - first) * parts.known
    source = (count[0] * count[1]).flatten().nonzero().squeeze(1)
    first, count = first.flatten(1)[:, source], count.flatten(1)[:, source]
    depth = parts.z.flatten()[source].float()
    key = (depth.view(torch.int32).long() << 32) | source  # positive floats are ordered as their bits are
    number = count[0] * count[1]
    of = torch.repeat_interleave(torch.arange(len(source), device=source.device), number)
    within = torch.arange(len(of), device=of.device) - (number.cumsum(0) - number)[of]
    row, column = first[1, of] + within // count[0, of], first[0, of] + within % count[0, of]
    best = torch.full((camera.height * camera.width,), NOBODY, dtype=torch.int64, device=of.device)
    best.scatter_reduce_(0, row * camera.width + column, key[of], reduce="amin")
    return torch.where(best == NOBODY, -1, best & 0xFFFFFFFF)


def _taps(
    parts: Elements, source: Int[Tensor, " n"], dx: Float[Tensor, " n"], dy: Float[Tensor, " n"]
) -> tuple[Int[Tensor, "4 n"], Float[Tensor, "4 n"]]:
    """Pixels around `source` + (dx, dy) and their bilinear weights, 0 for those that are not on its surface."""
    height, width = parts.z.shape
    row, column = source // width, source % width
    step_x, step_y = torch.where(dx < 0, -1, 1), torch.where(dy < 0, -1, 1)
    link_x = torch.nn.functional.pad(parts.link_x, (1, 1))  # of column c with c - 1 at c, with c + 1 at c + 1
    link_y = torch.nn.functional.pad(parts.link_y, (0, 0, 1, 1))
    beside, below = column + (step_x > 0), row + (step_y > 0)
    side, over = link_x[row, beside], link_y[below, column]
    ax = dx.abs().clamp(max=REACH) * side
    ay = dy.abs().clamp(max=REACH) * over
    step_x, step_y = step_x * side, step_y * over
    corner = link_x[row + step_y, beside] | link_y[below, column + step_x]
    weights = torch.stack([(1 - ax) * (1 - ay), ax * (1 - ay), (1 - ax) * ay, ax * ay * corner])
    taps = source + torch.stack([torch.zeros_like(source), step_x, step_y * width, step_x + step_y * width])
    return taps, weights / weights.sum(dim=0)


def _soft_weights(
    bilinear: Float[Tensor, " n"], z: Float[Tensor, " n"], target: Int[Tensor, " n"], sharpness: float, pixels: int
) -> Float[Tensor, " n"]:
    """Shares that sum to 1 in each target pixel; the exponents' maximum of each is taken off, so none overflows."""
    nearest = z.detach().min() if len(z) else 1.0
    exponent = sharpness * nearest / z
    highest = exponent.new_full((pixels,), -torch.inf).scatter_reduce(0, target, exponent.detach(), reduce="amax")
    weight = bilinear * (exponent - highest[target]).exp()
    return weight / weight.new_zeros(pixels).index_add(0, target, weight)[target]


def _strongest(
    share: Float[Tensor, " n"], source: Int[Tensor, " n"], target: Int[Tensor, " n"], pixels: int
) -> tuple[Int[Tensor, " m"], Int[Tensor, " m"]]:
    """The target pixels that anything reaches, and the source pixel of the largest share of each."""
    largest = share.new_zeros(pixels).scatter_reduce(0, target, share, reduce="amax")
    here = share == largest[target]
    chosen = torch.full((pixels,), NOBODY, dtype=torch.int64, device=source.device)
    chosen.scatter_reduce_(0, target[here], source[here], reduce="amin")
    reached = (chosen != NOBODY).nonzero().squeeze(1)
    return reached, chosen[reached]


def _gather(values: Float[Tensor, "c n"], target: Int[Tensor, " n"], camera: Pinhole) -> Float[Tensor, "c m"]:
    return values.new_zeros(len(values), camera.height * camera.width).index_add(1, target, values)


def _warped(
    camera: Pinhole,
    target: Int[Tensor, " n"],
    image: Float[Tensor, "c n"],
    depth: Float[Tensor, " n"],
    source: Int[Tensor, " n"],
) -> Warped:
    """The record of what is known at the pixels `target`; all others are holes."""
    size, pixels = (camera.height, camera.width), camera.height * camera.width
    sources = torch.full((pixels,), -1, dtype=torch.int64, device=source.device).index_put((target,), source)
    return Warped(
        image=image.new_zeros(len(image), pixels).index_copy(1, target, image).unflatten(1, size),
        depth=depth.new_full((pixels,), torch.nan).index_copy(0, target, depth).unflatten(0, size),
        hole=(sources < 0).unflatten(0, size),
        source=sources.unflatten(0, size),
    )
