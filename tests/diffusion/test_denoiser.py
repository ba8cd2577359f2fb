import pytest
import torch

from turnaround.diffusion.denoiser import Preconditioning, denoise, spread, velocity_target
from turnaround.diffusion.sample import EulerSampler, SingleStepSampler, WindowStart
from turnaround.diffusion.schedule import KarrasLevels, LogNormalSigma, TrainedLevels
from turnaround.types import Condition

CONDITION = Condition(latents=torch.zeros(2, 3, 1, 2, 2), tokens=torch.zeros(2, 3, 1))


class Linear:
    """A velocity network of its own making: F = slope * scaled + c_noise."""

    slope = 0.7

    def velocity(self, scaled, c_noise, condition):
        return self.slope * scaled + spread(c_noise)


class Oracle:
    """Knows the clean latents, and gives the velocity that leads to them."""

    def __init__(self, clean):
        self.clean = clean

    def velocity(self, scaled, c_noise, condition):
        sigma = spread((4 * c_noise).exp())
        noisy = scaled * (1 + sigma**2).sqrt()
        noise = (noisy - self.clean) / sigma
        return (noise - sigma * self.clean) / (1 + sigma**2).sqrt()


def published(steps: int) -> KarrasLevels:
    return KarrasLevels(steps=steps, sigma_min=0.002, sigma_max=700.0, rho=7.0)


@pytest.mark.parametrize("sigma", [0.01, 0.7, 5.0, 300.0])
def test_the_weighted_x0_loss_is_the_velocity_loss(sigma):
    torch.manual_seed(0)
    clean, noise = torch.randn(2, 3, 1, 2, 2).double(), torch.randn(2, 3, 1, 2, 2).double()
    level = torch.full((2, 3), sigma, dtype=torch.float64)
    noisy, net = clean + sigma * noise, Linear()
    scaling = Preconditioning.at(level)
    raw = net.velocity(noisy * spread(scaling.c_in), scaling.c_noise, CONDITION)
    weighted = (1 + sigma**2) / sigma**2 * (denoise(net, noisy, level, CONDITION) - clean) ** 2
    # at sigma = 0.01 the left side divides a difference of order 1e-2 by 1e-2: float64 leaves nine digits
    torch.testing.assert_close(weighted, (raw - velocity_target(clean, noise, level)) ** 2, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("steps", [1, 2, 5, 25])
def test_euler_with_the_true_velocity_ends_at_the_clean_latents(steps):
    clean = torch.rand(2, 3, 1, 2, 2).double()
    sampler = EulerSampler(levels=published(steps), start=WindowStart(known=700.0, new=700.0))
    found = sampler.sample(Oracle(clean), CONDITION, torch.randn(2, 3, 1, 2, 2).double())
    torch.testing.assert_close(found, clean, rtol=0, atol=1e-9)  # float64 at sigma 700


def test_single_step_starts_from_zeros_and_draws_nothing():
    net = Linear()
    sampler = SingleStepSampler(sigma=700.0)
    first, second = (sampler.sample(net, CONDITION, torch.randn(2, 3, 1, 2, 2)) for _ in range(2))
    assert torch.equal(first, second)
    c_out = -700 / (1 + 700**2) ** 0.5
    expected = c_out * torch.tensor(700.0).log() / 4
    torch.testing.assert_close(first, expected.expand_as(first))


def test_karras_levels_are_those_of_the_published_five_steps():
    found = published(5).sigmas()
    torch.testing.assert_close(found, torch.tensor([700.0, 134.9, 15.6, 0.678, 0.002]).double(), rtol=5e-3, atol=0)


def test_training_noise_levels_have_the_published_distribution():
    levels = LogNormalSigma(mean=0.7, std=1.6, apart=0.0).sample(200_000, 1, torch.Generator().manual_seed(0))
    # shares of N(0.7, 1.6) above a level; the standard error of a share is below 0.0012
    for level, share in {3.0: 0.402, 10.0: 0.158, 30.0: 0.046, 100.0: 0.0073}.items():
        assert abs((levels > level).float().mean().item() - share) < 0.005


def test_clips_with_levels_of_their_own_are_as_many_as_stated():
    levels = LogNormalSigma(mean=0.7, std=1.6, apart=0.3).sample(10_000, 3, torch.Generator().manual_seed(0))
    own = (levels != levels[:, :1]).any(dim=1)
    assert abs(own.float().mean().item() - 0.3) < 0.02  # four standard errors
    # each frame alone has the published distribution, whether its clip shares a level or not
    assert abs((levels[own] > 3.0).float().mean().item() - 0.402) < 0.02


def test_trained_levels_are_even_steps_of_the_training_distribution():
    levels = TrainedLevels(steps=5, mean=0.7, std=1.6, highest=2.0, lowest=-2.0).sigmas()
    torch.testing.assert_close((levels.log() - 0.7) / 1.6, torch.tensor([2.0, 1.0, 0.0, -1.0, -2.0]).double())


class Counting(Oracle):
    """Notes the noise levels it is asked at."""

    def __init__(self, clean):
        super().__init__(clean)
        self.asked = []

    def velocity(self, scaled, c_noise, condition):
        self.asked.append((4 * c_noise).exp())
        return super().velocity(scaled, c_noise, condition)


@pytest.mark.parametrize("known", [1, 2])
def test_a_window_that_continues_another_starts_where_it_is_told(known):
    clean = torch.rand(2, 3, 1, 2, 2).double()
    levels = TrainedLevels(steps=5, mean=0.7, std=1.6, highest=2.0, lowest=-2.0)
    sampler = EulerSampler(levels=levels, start=WindowStart(known=0.1, new=3.0))
    net = Counting(clean)
    found = sampler.sample(net, CONDITION, torch.randn(2, 3, 1, 2, 2).double(), clean[:, :known])
    torch.testing.assert_close(found, clean, rtol=0, atol=1e-9)
    # 49.4 and 10.0 lie above both starts and are skipped but for the step from 3 down to 2.01
    high = [3.0, *levels.sigmas().tolist()[2:]]
    expected = torch.tensor([[min(0.1, s)] * known + [s] * (3 - known) for s in high]).double()
    torch.testing.assert_close(torch.stack([asked[0] for asked in net.asked]), expected, rtol=1e-6, atol=0)
