import torch
from inpainting import camera

from turnaround.geometry.holes import distance_into
from turnaround.pipelines.orbit.frames import closed, without_holes
from turnaround.types import Provenance, Rendering


def seen(hole):
    shape = hole.shape
    return Rendering(
        image=torch.full((3, *shape), 0.25).masked_fill(hole, 0.0),
        depth=torch.full(shape, 3.0).masked_fill(hole, torch.nan),
        hole=hole,
        label=hole.byte() * int(Provenance.GENERATED),
        confidence=torch.full(shape, 0.8).masked_fill(hole, 0.0),
        step=torch.where(hole, -1, 4),
        camera=camera(*shape),
    )


def test_cracks_are_propagated_and_wide_holes_are_generated():
    hole = torch.zeros(16, 20, dtype=torch.bool)
    hole[:, 3] = True  # a crack
    hole[4:10, 8:16] = True
    full = without_holes(seen(hole))
    assert not full.hole.any()
    torch.testing.assert_close(full.image, torch.full_like(full.image, 0.25))
    torch.testing.assert_close(full.depth, torch.full_like(full.depth, 3.0))
    assert (full.label[:, 3] == int(Provenance.PROPAGATED)).all()
    torch.testing.assert_close(full.confidence[:, 3], torch.full((16,), 0.8))
    assert (full.label[4:10, 8:16] == int(Provenance.GENERATED)).all()
    assert (full.confidence[4:10, 8:16] == 0).all()
    assert (full.step == torch.where(hole, -1, 4)).all()


def test_what_has_no_holes_stays_and_what_has_nothing_else_is_black():
    whole = seen(torch.zeros(6, 8, dtype=torch.bool))
    assert without_holes(whole) is whole
    nothing = without_holes(seen(torch.ones(6, 8, dtype=torch.bool)))
    assert (nothing.image == 0).all()
    assert (nothing.depth == 1).all()
    assert not nothing.hole.any()


def test_a_closing_by_one_pixel_spans_two():
    hole = torch.zeros(8, 12, dtype=torch.bool)
    hole[:, 2:4], hole[:, 7:10] = True, True
    found = closed(hole)
    assert found[:, 2:4].all()
    assert not found[:, 8].any()


def test_distances_count_from_the_nearest_known_pixel():
    hole = torch.zeros(1, 9, dtype=torch.bool)
    hole[0, 2:7] = True
    torch.testing.assert_close(
        distance_into(hole)[0], torch.tensor([0.0, 0, 1, 2, 3, 2, 1, 0, 0]), atol=0.01, rtol=0
    )  # OpenCV's 5 x 5 mask is off by up to a hundredth
