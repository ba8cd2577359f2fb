import math

import pytest
import torch

from turnaround.geometry.se3 import look_at
from turnaround.nets.object_prior import FixedViewPrior, FixedViews, NoPrior, before_grey, object_masks
from turnaround.types import InputError, MultiViewPrior, PicturedObject, Pinhole, WeightsNotice

HEIGHT, WIDTH, FOCAL, DEPTH = 64, 96, 100.0, 2.0
SIDE, TALL, WIDE = 40, 20, 16  # of a view, and of the object in it
AZIMUTHS = (90.0, 180.0, 270.0)
COLORS = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.9]])
NOTICE = WeightsNotice(name="cards", source="here", licence="none")


class Cards(FixedViews):
    """Of each side a card of its own colour, whose left half is darker."""

    count = 3

    def __init__(self):
        super().__init__(side=SIDE, weights=[NOTICE])
        self.shown = []

    def views(self, square, generator):
        self.shown.append(square)
        views = torch.full((3, 3, SIDE, SIDE), 0.5)
        rows = slice((SIDE - TALL) // 2, (SIDE + TALL) // 2)
        middle, half = SIDE // 2, WIDE // 2
        views[:, :, rows, middle - half : middle] = COLORS[:, :, None, None] / 2
        views[:, :, rows, middle : middle + half] = COLORS[:, :, None, None]
        return views


def prior(**settings):
    given = {"fill": 0.8, "contrast": 0.05, "reach": 30.0, "azimuths": AZIMUTHS, "elevations": (0.0, 0.0, 0.0)}
    return FixedViewPrior(network=Cards(), device="cpu", name="cards", **given | settings)


def camera(eye=(0.0, 0.0, 0.0), target=(0.0, 0.0, DEPTH)):
    eye, target, up = (torch.tensor(each) for each in (eye, target, (0.0, -1.0, 0.0)))
    k = torch.tensor([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    return Pinhole(world_from_cam=look_at(eye, target, up)[None], intrinsics=k[None], height=HEIGHT, width=WIDTH)


def around(degrees, *, up=0.0, distance=DEPTH, middle=(0.0, 0.0, DEPTH)):
    """A camera that looks at the object, from so many degrees to the right and up."""
    a, e = math.radians(degrees), math.radians(up)
    away = (math.sin(a) * math.cos(e), -math.sin(e), -math.cos(a) * math.cos(e))
    return camera(tuple(m + distance * x for m, x in zip(middle, away, strict=True)), middle)


def pictured(*, rows=(22, 42), columns=(40, 56)):
    """20 pixels tall at 2 m with a focal length of 100: 0.4 m."""
    mask = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    mask[slice(*rows), slice(*columns)] = True
    image = torch.rand(3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    return PicturedObject(image=image, mask=mask, camera=camera(), depth=DEPTH)


def extent(sure):
    return tuple((int(each.min()), int(each.max()) + 1) for each in (sure.any(1).nonzero(), sure.any(0).nonzero()))


@pytest.mark.parametrize("number", range(3))
def test_a_camera_on_a_views_side_sees_that_view(number):
    seen = prior().views(pictured(), around(AZIMUTHS[number]), seed=0)
    (top, bottom), (left, right) = extent(seen.sure[0])
    # the card is 20 x 16 pixels there as it is in the picture; a pixel at its border is sampled from beyond it
    assert (top, bottom) in {(22, 42), (23, 41)}
    assert (left, right) in {(40, 56), (41, 55)}
    color = seen.video[0]
    torch.testing.assert_close(color[:, 32, 44], COLORS[number] / 2)
    torch.testing.assert_close(color[:, 32, 52], COLORS[number])
    assert color[:, ~seen.sure[0]].abs().max() == 0


def test_twice_as_far_is_half_as_large():
    near, far = (prior().views(pictured(), around(180.0, distance=d), seed=0).sure[0] for d in (DEPTH, 2 * DEPTH))
    assert float(near.sum() / far.sum()) == pytest.approx(4, rel=0.25)  # a pixel of a border of 10 x 8 pixels


def test_the_nearest_view_is_shown_within_reach_and_none_beyond():
    cameras = {degrees: around(degrees) for degrees in (0.0, 50.0, 65.0, 150.0)}
    seen = {degrees: prior().views(pictured(), each, seed=0) for degrees, each in cameras.items()}
    assert not seen[0.0].sure.any()
    assert not seen[50.0].sure.any()
    right = {degrees: seen[degrees].video[0, :, 32, 50] for degrees in (65.0, 150.0)}
    torch.testing.assert_close(right[65.0], COLORS[0])
    torch.testing.assert_close(right[150.0], COLORS[1])
    turned = around(65.0)
    narrow = extent(prior().views(pictured(), turned, seed=0).sure[0])[1]
    assert narrow[1] - narrow[0] < 16, "a card that is turned away is narrower"


def test_elevations_are_from_the_level():
    """The views stand 25 degrees up: a camera 20 degrees up is near them, one 20 degrees down is not."""
    raised = prior(elevations=(25.0, 25.0, 25.0))
    assert raised.views(pictured(), around(180.0, up=20.0), seed=0).sure.any()
    assert not raised.views(pictured(), around(180.0, up=-20.0), seed=0).sure.any()


def test_an_object_off_the_middle_is_turned_about_where_it_is():
    seen = pictured(columns=(72, 88))
    middle = (0.64, 0.0, DEPTH)  # columns 72 to 88 have their middle 32 pixels to the right: 0.64 m at 2 m
    start = math.degrees(math.atan2(-0.64, 2.0))  # where the picture was taken, seen from there
    distance = math.hypot(0.64, 2.0)
    found = prior(reach=1.0).views(seen, around(start + 90.0, distance=distance, middle=middle), seed=0)
    torch.testing.assert_close(found.video[0, :, 32, 52], COLORS[0])
    (top, bottom), (left, right) = extent(found.sure[0])
    assert (top + bottom) / 2 == pytest.approx(32, abs=1)
    assert (left + right) / 2 == pytest.approx(48, abs=1)


def test_only_the_place_of_cameras_to_the_pictures_counts():
    seen, turned = pictured(), around(100.0)
    moved = torch.eye(4)
    moved[:3, 3] = torch.tensor([3.0, -1.0, 5.0])
    elsewhere = PicturedObject(image=seen.image, mask=seen.mask, camera=replaced(seen.camera, moved), depth=seen.depth)
    expected, found = prior().views(seen, turned, seed=0), prior().views(elsewhere, replaced(turned, moved), seed=0)
    assert torch.equal(found.sure, expected.sure)
    torch.testing.assert_close(found.video, expected.video, rtol=0, atol=1e-4)  # float32 poses of metres


def replaced(each, world_from_old):
    poses = world_from_old @ each.world_from_cam
    return Pinhole(world_from_cam=poses, intrinsics=each.intrinsics, height=each.height, width=each.width)


def test_the_network_is_asked_once_for_a_picture():
    asked = prior()
    cameras = torch.cat([around(a).world_from_cam for a in AZIMUTHS])
    both = Pinhole(world_from_cam=cameras, intrinsics=camera().intrinsics.expand(3, -1, -1), height=HEIGHT, width=WIDTH)
    assert asked.views(pictured(), both, seed=0).video.shape == (3, 3, HEIGHT, WIDTH)
    asked.views(pictured(), around(90.0), seed=0)
    assert len(asked.network.shown) == 1
    asked.views(pictured(), around(90.0), seed=1)
    asked.views(pictured(rows=(20, 42)), around(90.0), seed=1)
    assert len(asked.network.shown) == 3


def test_the_network_sees_the_object_alone_before_grey():
    asked, seen = prior(fill=0.5), pictured()
    asked.views(seen, around(90.0), seed=0)
    (square,) = asked.network.shown
    assert square.shape == (3, SIDE, SIDE)
    # 20 pixels are half of the square, so a pixel of it is one of the picture, and the object is in its middle
    torch.testing.assert_close(square[:, 10:30, 12:28], seen.image[:, 22:42, 40:56])
    square = square.clone()
    square[:, 10:30, 12:28] = 0.5
    assert (square == 0.5).all()


def test_an_object_at_the_pictures_border_is_before_grey_too():
    image = torch.ones(3, 8, 6)
    mask = torch.zeros(8, 6, dtype=torch.bool)
    mask[4:8, 0:2] = True
    square = before_grey(image, mask, 0.5, 8)
    assert (square[:, 2:6, 3:5] == 1).all()
    assert float((square == 1).sum()) == 3 * 4 * 2


def test_masks_hold_what_the_object_encloses():
    views = torch.full((2, 3, 12, 12), 0.5)
    views[0, :, 3:9, 3:9] = 0.9
    views[0, :, 5:7, 5:7] = 0.5  # as grey as the ground, but within
    views[0, :, 10, 10] = 0.52  # hardly differs
    found = object_masks(views, 0.05)
    assert found[0].sum() == 36
    assert found[0, 3:9, 3:9].all()
    assert not found[1].any()


def test_views_without_an_object_are_not_sure():
    found = prior(contrast=2.0).views(pictured(), around(90.0), seed=0)
    assert not found.sure.any()


def test_no_prior_is_sure_of_nothing():
    assert isinstance(NoPrior(), MultiViewPrior)
    found = NoPrior().views(pictured(), around(90.0), seed=0)
    assert found.video.shape == (1, 3, HEIGHT, WIDTH)
    assert not found.sure.any()


def test_it_says_what_it_is_and_what_decides():
    assert isinstance(prior(), MultiViewPrior)
    assert prior().weights == (NOTICE,)
    assert prior().fingerprint() == prior().fingerprint()
    others = [{"reach": 20.0}, {"contrast": 0.1}, {"fill": 0.7}, {"elevations": (0.0, 0.0, 1.0)}]
    assert len({prior(**each).fingerprint() for each in others} | {prior().fingerprint()}) == 5


def test_bad_input_is_refused():
    with pytest.raises(InputError, match=r"expected 3 azimuths and elevations, .* found 2 and 3"):
        prior(azimuths=(1.0, 2.0))
    with pytest.raises(InputError, match="fill"):
        prior(fill=0.0)
    with pytest.raises(InputError, match="expected an object with pixels"):
        prior().views(pictured(rows=(5, 5)), around(90.0), seed=0)
