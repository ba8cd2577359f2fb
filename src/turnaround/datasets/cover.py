"""Pictures of any size brought to one."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from turnaround.types import InputError


@dataclass(frozen=True, kw_only=True)
class Cover:
    """Scales pictures down until they just cover height x width, with antialiasing, and cuts that out of the middle."""

    height: int
    width: int

    def cut(self, subject: object, image: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 y x"]:
        """InputError, which names `subject`: a picture that is smaller."""
        scaled = self._scaled(subject, image.shape[1], image.shape[2])
        if image.shape[1:] != scaled:
            image = interpolate(image[None], size=scaled, mode="bilinear", antialias=True)[0].clamp(0, 1)
        top, left = self._corner(scaled)
        return image[:, top : top + self.height, left : left + self.width].contiguous()

    def nearest(self, subject: object, values: Float[Tensor, "h w"]) -> Float[Tensor, "y x"]:
        """As `cut`, of what must not be mixed, such as depth: each pixel takes the value at its centre."""
        height, width = values.shape
        scaled = self._scaled(subject, height, width)
        top, left = self._corner(scaled)
        rows = ((torch.arange(self.height) + top + 0.5) * (height / scaled[0])).long()
        columns = ((torch.arange(self.width) + left + 0.5) * (width / scaled[1])).long()
        return values[rows[:, None], columns]

    def intrinsics(
        self, subject: object, normalised: Float[Tensor, "t 4"], height: int, width: int
    ) -> Float[Tensor, "t 3 3"]:
        """K of what `cut` gives of pictures of height x width. normalised: fx, fy, cx, cy over width and height."""
        scaled = self._scaled(subject, height, width)
        top, left = self._corner(scaled)
        fx, fy, cx, cy = (normalised * torch.tensor([scaled[1], scaled[0]] * 2, dtype=normalised.dtype)).unbind(1)
        zero, one = torch.zeros_like(fx), torch.ones_like(fx)
        return torch.stack([fx, zero, cx - left, zero, fy, cy - top, zero, zero, one], dim=1).view(-1, 3, 3)

    def _scaled(self, subject: object, height: int, width: int) -> tuple[int, int]:
        if height < self.height or width < self.width:
            expected, found = f"at least {self.width} x {self.height} pixels", f"{width} x {height}"
            raise InputError(subject, expected=expected, found=found, fix="remove it, or ask for smaller ones")
        scale = max(self.height / height, self.width / width)
        return max(round(height * scale), self.height), max(round(width * scale), self.width)

    def _corner(self, scaled: tuple[int, int]) -> tuple[int, int]:
        return (scaled[0] - self.height) // 2, (scaled[1] - self.width) // 2
