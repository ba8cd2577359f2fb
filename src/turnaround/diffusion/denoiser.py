"""EDM preconditioning for a velocity network, sigma_data = 1 (arXiv 2409.02095, equations 3 and 4)."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from turnaround.types import Condition, VelocityNetwork


@dataclass(frozen=True, kw_only=True)
class Preconditioning:
    """The scalings at noise levels sigma, one per frame."""

    c_in: Float[Tensor, "b t"]
    c_out: Float[Tensor, "b t"]
    c_skip: Float[Tensor, "b t"]
    c_noise: Float[Tensor, "b t"]

    @classmethod
    def at(cls, sigma: Float[Tensor, "b t"]) -> "Preconditioning":
        total = 1 + sigma**2
        return cls(c_in=total**-0.5, c_out=-sigma * total**-0.5, c_skip=1 / total, c_noise=sigma.log() / 4)


def spread(values: Float[Tensor, "b t"]) -> Float[Tensor, "b t 1 1 1"]:
    """One number per frame, for all its cells."""
    return values[:, :, None, None, None]


def velocity_target(
    clean: Float[Tensor, "b t d y x"], noise: Float[Tensor, "b t d y x"], sigma: Float[Tensor, "b t"]
) -> Float[Tensor, "b t d y x"]:
    """What the network must give for clean + sigma * noise: v = (noise - sigma * clean) / sqrt(1 + sigma^2)."""
    return (noise - spread(sigma) * clean) * spread((1 + sigma**2) ** -0.5)


def predict_velocity(
    network: VelocityNetwork, noisy: Float[Tensor, "b t d y x"], sigma: Float[Tensor, "b t"], condition: Condition
) -> Float[Tensor, "b t d y x"]:
    """The raw network output F."""
    scaling = Preconditioning.at(sigma)
    return network.velocity(noisy * spread(scaling.c_in), scaling.c_noise, condition)


def denoise(
    network: VelocityNetwork, noisy: Float[Tensor, "b t d y x"], sigma: Float[Tensor, "b t"], condition: Condition
) -> Float[Tensor, "b t d y x"]:
    """The clean latents the network sees in the noisy ones: c_skip * noisy + c_out * F."""
    scaling = Preconditioning.at(sigma)
    raw = predict_velocity(network, noisy, sigma, condition)
    return spread(scaling.c_skip) * noisy + spread(scaling.c_out) * raw
