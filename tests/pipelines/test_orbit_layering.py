"""What objects hide from their own camera, of a square before a wall."""

import torch
from inpainting import camera

from turnaround.pipelines.orbit.layering import Layering
from turnaround.types import KeyView, Provenance, View

HEIGHT, WIDTH = 48, 64
LAYERING = Layering(depth_ratio=0.1, least=0.003, most=4, reach=0.25, margin=0.04)


def view_of(depth):
    generator = torch.Generator().manual_seed(0)
    return KeyView(
        view=View(image=torch.rand(3, HEIGHT, WIDTH, generator=generator), depth=depth, camera=camera(HEIGHT, WIDTH)),
        label=torch.full((HEIGHT, WIDTH), int(Provenance.OBSERVED), dtype=torch.uint8),
        confidence=torch.ones(HEIGHT, WIDTH),
        step=5,
    )


def squares(*edges, wall=4.0):
    """Depth of a wall, and before it of (depth, rows, columns)."""
    depth = torch.full((HEIGHT, WIDTH), wall)
    for distance, rows, columns in edges:
        depth[rows, columns] = distance
    return view_of(depth)


def parts(view, layering=LAYERING):
    return list(layering.hidden_parts(view))


def mask(rows, columns):
    where = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    where[rows, columns] = True
    return where


def test_the_wall_goes_on_behind_a_square():
    view = squares((1.0, slice(16, 32), slice(24, 40)))
    ((seen, behind),) = parts(view)
    # the reach is 12 pixels, the square's middle 8 from the wall
    assert torch.equal(behind, mask(slice(16, 32), slice(24, 40)))
    hole = mask(slice(14, 34), slice(22, 42))  # the margin is 2 pixels, 0.04 of 48
    assert torch.equal(seen.hole, hole)
    assert (seen.image[:, hole] == 0).all()
    assert torch.equal(seen.image[:, ~hole], view.view.image[:, ~hole])
    assert seen.depth[hole].isnan().all()
    assert (seen.depth[~hole] == 4).all()
    assert (seen.step[hole] == -1).all()
    assert (seen.step[~hole] == 5).all()
    assert seen.camera is view.view.camera


def test_the_wall_goes_on_as_far_as_its_reach():
    view = squares((1.0, slice(16, 32), slice(24, 40)))
    short = Layering(depth_ratio=0.1, least=0.003, most=4, reach=0.0625, margin=0.0)
    ((seen, behind),) = parts(view, short)
    assert torch.equal(seen.hole, mask(slice(16, 32), slice(24, 40)))
    # 3 pixels of 48 in from each side
    assert torch.equal(behind, seen.hole & ~mask(slice(19, 29), slice(27, 37)))


def test_each_layer_goes_on_behind_all_that_is_nearer():
    view = squares((2.0, slice(10, 38), slice(16, 48)), (1.0, slice(20, 28), slice(28, 36)))
    (middle, under), (far, beneath) = parts(view)
    assert torch.equal(under, mask(slice(20, 28), slice(28, 36)))
    assert torch.equal(middle.hole, mask(slice(18, 30), slice(26, 38)))
    assert (middle.depth[12, 18], middle.depth[0, 0]) == (2.0, 4.0)
    assert torch.equal(far.hole, mask(slice(8, 40), slice(14, 50)))
    assert beneath[10:38, 16:48].any()
    assert not beneath[far.depth == 4].any()
    # 14 pixels from the wall above and below, which is more than its reach of 12
    assert torch.equal(beneath, mask(slice(10, 38), slice(16, 48)) & ~mask(slice(22, 26), slice(28, 36)))


def test_what_hides_nothing_has_no_hidden_parts():
    assert parts(squares()) == []
    assert parts(squares((1.0, slice(10, 12), slice(10, 13)))) == []  # 6 pixels, and 9 are asked for
