import pytest
import torch

from turnaround.diffusion.denoiser import Preconditioning, denoise, spread, velocity_target
from turnaround.diffusion.sample import EulerSampler, SingleStepSampler
from turnaround.diffusion.schedule import LogNormalSigma, karras_sigmas
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
    sampler = EulerSampler(steps=steps, sigma_min=0.002, sigma_max=700.0, rho=7.0)
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
    found = karras_sigmas(5, sigma_min=0.002, sigma_max=700.0, rho=7.0)
    torch.testing.assert_close(found, torch.tensor([700.0, 134.9, 15.6, 0.678, 0.002]).double(), rtol=5e-3, atol=0)


def test_training_noise_levels_have_the_published_distribution():
    levels = LogNormalSigma(mean=0.7, std=1.6, apart=0.0).sample(200_000, 1, torch.Generator().manual_seed(0))
    # shares of N(0.7, 1.6) above a level; the standard error of a share is below 0.0012
    for level, share in {3.0: 0.402, 10.0: 0.158, 30.0: 0.046, 100.0: 0.0073}.items():
        assert abs((levels > level).float().mean().item() - share) < 0.005
