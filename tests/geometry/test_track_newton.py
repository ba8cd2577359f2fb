import pytest
import torch

from turnaround.geometry.track_losses import (
    CameraDistance,
    OpenEnds,
    PaddedEnds,
    RayTracks,
    SummedStatic,
    TrackLosses,
)
from turnaround.geometry.track_newton import Newton, dynamic_band, solve_band
from turnaround.geometry.track_optimization import Adam
from turnaround.geometry.track_second_look import SecondLook, noisiness

ENDS = [OpenEnds(), PaddedEnds()]


def jittery(frames: int = 30, count: int = 4, *, motion: float, seed: int = 0) -> RayTracks:
    """Points ahead of a camera that goes sideways, with noise of 3 % in their distance."""
    g = torch.Generator().manual_seed(seed)
    centres = torch.zeros(frames, 3, dtype=torch.float64)
    centres[:, 0] = torch.linspace(0, 1, frames)
    points = torch.tensor([0.5, 0.0, 4.0]) + torch.randn(1, count, 3, generator=g, dtype=torch.float64)
    offsets = points - centres[:, None]
    distances = offsets.norm(dim=-1)
    return RayTracks(
        centres=centres,
        rays=offsets / distances[..., None],
        distances=distances * (1 + 0.03 * torch.randn(frames, count, generator=g, dtype=torch.float64)),
        valid=torch.rand(frames, count, generator=g) < 0.9,
        motion=torch.full((count,), motion, dtype=torch.float64),
    )


def losses(ends=ENDS[0]) -> TrackLosses:
    return TrackLosses(
        static=SummedStatic(scale=CameraDistance()),
        ends=ends,
        static_weight=100.0,
        dynamic_weight=1.0,
        regularization=0.1,
        switch=20.0,
        strides=(1, 3, 5),
    )


def test_a_band_is_solved_as_the_whole_matrix_is():
    g = torch.Generator().manual_seed(0)
    band = torch.randn(4, 9, 2, generator=g, dtype=torch.float64)
    band[0] += 10  # positive definite, as the diagonal outweighs six others of about 1
    right = torch.randn(9, 3, 2, generator=g, dtype=torch.float64)
    dense = torch.zeros(2, 9, 9, dtype=torch.float64)
    for offset in range(4):
        for t in range(9 - offset):
            dense[:, t, t + offset] = dense[:, t + offset, t] = band[offset, t]
    wanted = torch.linalg.solve(dense, right.permute(2, 0, 1)).permute(1, 2, 0)
    torch.testing.assert_close(solve_band(band, right), wanted)


@pytest.mark.parametrize("ends", ENDS, ids=lambda ends: type(ends).__name__)
@pytest.mark.parametrize("frames", [2, 8, 14])
def test_the_band_holds_second_derivatives_of_the_dynamic_loss(ends, frames):
    tracks, total = jittery(frames, 1, motion=20.0), losses(ends)

    def dynamic(moved: torch.Tensor) -> torch.Tensor:
        return 0.5 * total.dynamic_weight * total.dynamic(tracks, tracks.points(moved[:, None])).sum()

    wanted = torch.func.hessian(dynamic)(torch.zeros(frames, dtype=torch.float64))
    band = dynamic_band(total, tracks)[..., 0]
    for offset, entries in enumerate(band):
        torch.testing.assert_close(entries[: frames - offset], wanted.diagonal(-offset))
    assert wanted.tril(-len(band)).abs().max() == 0


@pytest.mark.parametrize("motion", [0.0, 21.0, 100.0])
@pytest.mark.parametrize("ends", ENDS, ids=lambda ends: type(ends).__name__)
def test_few_newton_steps_reach_the_minimum_and_adam_none_lower(motion, ends):
    tracks, total = jittery(motion=motion), losses(ends)
    found = Newton(steps=6)(total, tracks).requires_grad_()
    (slope,) = torch.autograd.grad(total(tracks, found).sum(), found)
    assert slope.abs().max() < 1e-8, "it begins at 0.1 to 10"
    assert not found[~tracks.valid].any()
    lowest = total(tracks, found.detach())
    assert (lowest < total(tracks, torch.zeros_like(tracks.distances))).all()
    assert (total(tracks, Adam(learning_rate=1e-3, steps=200)(total, tracks)) > lowest).all(), (
        "from above, not there yet"
    )


def test_adam_takes_its_first_step_by_the_rate_and_goes_down():
    tracks, total = jittery(motion=0.0), losses()
    first = Adam(learning_rate=0.01, steps=1)(total, tracks)
    # the first step has the gradient's sign alone; 1e-5 for Adam's epsilon of 1e-8 against gradients of 1e-3 and more
    torch.testing.assert_close(first[tracks.valid].abs(), torch.full_like(first[tracks.valid], 0.01), rtol=1e-4, atol=0)
    values = [total(tracks, Adam(learning_rate=0.01, steps=n)(total, tracks)).sum().item() for n in (0, 5, 20, 80)]
    assert values == sorted(values, reverse=True)


def nearing(*, noise: float) -> RayTracks:
    """Two points ahead of a still camera: one comes from 6 to 3 metres, one stands at 4; both without motion in the
    picture. noise: of inverse distances, 1 / metres."""
    g = torch.Generator().manual_seed(3)
    distances = torch.stack([torch.linspace(6, 3, 60), torch.full((60,), 4.0)], dim=1).double()
    inverse = 1 / distances + noise * torch.randn(60, 2, generator=g, dtype=torch.float64)
    return RayTracks(
        centres=torch.zeros(60, 3, dtype=torch.float64),
        rays=torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).expand(60, 2, 3),
        distances=1 / inverse,
        valid=torch.ones(60, 2, dtype=torch.bool),
        motion=torch.zeros(2, dtype=torch.float64),
    )


def test_what_comes_nearer_is_held_still_at_first_sight_and_let_go_at_the_second():
    tracks, truth = nearing(noise=0.01), 1 / (1 / nearing(noise=0.0).distances)
    once, twice = Newton(steps=6), SecondLook(solver=Newton(steps=6), lag=0.1, least=0.2)
    held, free = (tracks.distances + solver(losses(), tracks) for solver in (once, twice))
    wrong = [(found - truth).square().mean(dim=0).sqrt() for found in (tracks.distances, held, free)]
    assert wrong[1][0] > 0.5, "the nearing one ends near its mean"
    assert wrong[2][0] < wrong[0][0], "it ends nearer to the truth than it began"
    assert torch.equal(free[:, 1], held[:, 1]), "the still one is held as before"


def test_noise_is_told_from_a_trend():
    """Inverse distances 2 and 1 by turns, from 1 metre and 1/2 metre moved to the other: changes of +1 and -1."""
    tracks = nearing(noise=0.0)
    tracks = RayTracks(
        centres=tracks.centres[:4],
        rays=tracks.rays[:4],
        distances=torch.tensor([[1.0, 1.0], [0.5, 1.0], [1.0, 1.0], [0.5, 1.0]], dtype=torch.float64),
        valid=torch.ones(4, 2, dtype=torch.bool),
        motion=tracks.motion,
    )
    moved = torch.tensor([[-0.5, -0.5], [0.5, -0.5], [-0.5, -0.5], [0.5, -0.5]], dtype=torch.float64)
    assert noisiness(tracks, moved, 0.25).tolist() == [2.0, 0.0]  # 4 / 2 over 1; a constant has no noise
    assert noisiness(tracks, moved, 0.5).tolist() == [0.0, 0.0]
    assert noisiness(tracks, moved, 1.0).tolist() == [1.0, 1.0]
    assert noisiness(tracks, torch.zeros_like(moved), 0.25).tolist() == [1.0, 1.0]
