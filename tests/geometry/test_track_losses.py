import pytest
import torch

from turnaround.geometry.track_losses import (
    CameraDistance,
    OneMetre,
    OpenEnds,
    OriginDistance,
    PaddedEnds,
    PairwiseStatic,
    RayTracks,
    SummedStatic,
    TrackLosses,
)

SCALES = (OriginDistance(), CameraDistance(), OneMetre())


def along_z(distances: list[float], *, valid: list[bool] | None = None, motion: float = 20.0) -> RayTracks:
    """One track straight ahead of a camera at the origin."""
    frames = len(distances)
    return RayTracks(
        centres=torch.zeros(frames, 3, dtype=torch.float64),
        rays=torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).expand(frames, 1, 3),
        distances=torch.tensor(distances, dtype=torch.float64)[:, None],
        valid=torch.tensor(valid or [True] * frames)[:, None],
        motion=torch.tensor([motion], dtype=torch.float64),
    )


def random_tracks(frames: int = 12, count: int = 5, *, around: float = 0.0, seed: int = 0) -> RayTracks:
    g = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    return RayTracks(
        centres=around + 0.1 * draw(frames, 3),
        rays=torch.nn.functional.normalize(draw(1, count, 3) + 0.1 * draw(frames, count, 3), dim=-1),
        distances=3 + 0.2 * draw(frames, count),
        valid=torch.rand(frames, count, generator=g) < 0.8,
        motion=torch.linspace(15.0, 25.0, count, dtype=torch.float64),
    )


def losses(**changes) -> TrackLosses:
    settings = {
        "static": SummedStatic(scale=OneMetre()),
        "ends": OpenEnds(),
        "static_weight": 0.0,
        "dynamic_weight": 0.0,
        "regularization": 0.0,
        "switch": 20.0,
        "strides": (1,),
    }
    return TrackLosses(**settings | changes)


@pytest.mark.parametrize("form", [PairwiseStatic, SummedStatic])
@pytest.mark.parametrize(("scale", "metres"), [(OneMetre(), 1.0), (OriginDistance(), 7 / 3), (CameraDistance(), 7 / 3)])
def test_static_loss_by_hand(form, scale, metres):
    """Points at 1, 2 and 4 metres: 1 + 4 + 9 over pairs, each in both orders, of nine pairs, halved; half of it as the
    motion lies at the switch."""
    tracks = along_z([1.0, 2.0, 4.0])
    found = losses(static=form(scale=scale), static_weight=100.0)(tracks, torch.zeros_like(tracks.distances))
    wanted = 0.5 * 100 * 28 / 18 / (metres + 1e-5) ** 2
    torch.testing.assert_close(found, torch.tensor([wanted], dtype=torch.float64))


def test_dynamic_loss_by_hand():
    """Of 1, 2 and 4 metres the middle one bends by 1; padded, 2 - 2 + 1 - 1 = 1 begins and 2 - 4 = -2 ends it."""
    tracks = along_z([1.0, 2.0, 4.0])
    still = torch.zeros_like(tracks.distances)
    opened = losses(dynamic_weight=10.0)(tracks, still)
    padded = losses(dynamic_weight=10.0, ends=PaddedEnds())(tracks, still)
    assert (opened.item(), padded.item()) == (0.5 * 10 * 1, 0.5 * 10 * (1 + 1 + 4))


def test_only_the_part_along_the_ray_counts_as_acceleration():
    tracks = along_z([1.0, 1.0, 1.0])
    sideways = torch.zeros(3, 1, 3, dtype=torch.float64)
    sideways[1, 0, 0] = 1.0
    assert losses().dynamic(tracks, sideways).item() == 0
    assert losses().dynamic(tracks, sideways.roll(2, dims=-1)).item() == 4


def test_strides_reach_as_many_frames_and_no_further_than_the_clip():
    tracks = along_z([0.5, 1.0, 1.0, 1.0, 1.5])
    points = tracks.points(torch.zeros_like(tracks.distances))
    assert losses(strides=(2,)).dynamic(tracks, points).item() == 0
    assert losses(strides=(1,)).dynamic(tracks, points).item() == 0.25 + 0 + 0.25
    assert losses(strides=(1, 2, 3, 9)).dynamic(tracks, points).item() == 0.5


def test_kept_loss_by_hand():
    """1 metre moved to 2: its inverse loses a half. What does not move costs nothing."""
    tracks = along_z([1.0, 5.0])
    moved = torch.tensor([[1.0], [0.0]], dtype=torch.float64)
    assert losses(regularization=4.0)(tracks, moved).item() == 4 * 0.25


def test_motion_switches_from_static_to_dynamic():
    total = {"static_weight": 1.0, "dynamic_weight": 1.0}
    found = [losses(**total).moving(along_z([1.0], motion=motion)).item() for motion in (0.0, 20.0, 40.0)]
    assert found == pytest.approx([2.06e-9, 0.5, 1 - 2.06e-9], rel=1e-3)  # 1 / (1 + e^20) = 2.06e-9


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: type(scale).__name__)
def test_both_forms_of_the_static_loss_and_their_gradients_agree_far_from_the_origin(scale):
    """At 1000 metres squares would lose 6 digits of the metres between points; 1e-9 is float64 with room."""
    tracks = random_tracks(around=1000.0)
    values, gradients = [], []
    for form in (PairwiseStatic, SummedStatic):
        moved = torch.zeros_like(tracks.distances, requires_grad=True)
        value = form(scale=scale)(tracks, tracks.points(moved))
        (gradient,) = torch.autograd.grad(value.sum(), moved)
        values.append(value.detach())
        gradients.append(gradient)
    assert values[0].min() > 0
    torch.testing.assert_close(values[1], values[0], rtol=1e-9, atol=0)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: type(scale).__name__)
@pytest.mark.parametrize("ends", [OpenEnds(), PaddedEnds()], ids=lambda ends: type(ends).__name__)
def test_frames_that_are_not_valid_count_for_nothing(scale, ends):
    tracks = random_tracks()
    total = losses(
        static=SummedStatic(scale=scale), ends=ends, static_weight=1.0, dynamic_weight=1.0, regularization=1.0,
        strides=(1, 3),
    )  # fmt: skip
    moved = torch.zeros_like(tracks.distances)
    elsewhere = torch.where(tracks.valid, moved, 1.0)
    torch.testing.assert_close(total(tracks, elsewhere), total(tracks, moved), rtol=1e-12, atol=0)


def test_only_distances_to_the_origin_depend_on_the_world_frame():
    tracks, moved = (random_tracks(around=place) for place in (0.0, 5.0))
    still = torch.zeros_like(tracks.distances)
    for scale in SCALES:
        here, there = (SummedStatic(scale=scale)(t, t.points(still)) for t in (tracks, moved))
        same = torch.allclose(here, there, rtol=1e-9)
        assert same != isinstance(scale, OriginDistance)


def test_a_track_that_is_nowhere_valid_costs_nothing():
    tracks = along_z([1.0, 2.0, 4.0], valid=[False] * 3)
    for scale in SCALES:
        for form in (PairwiseStatic, SummedStatic):
            moved = torch.zeros_like(tracks.distances, requires_grad=True)
            total = losses(static=form(scale=scale), static_weight=1.0, dynamic_weight=1.0)(tracks, moved)
            (gradient,) = torch.autograd.grad(total.sum(), moved)
            assert total.item() == 0
            assert gradient.abs().max() == 0
