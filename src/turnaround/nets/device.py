"""Where a network runs."""

from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def placed(network: Network, device: str) -> tuple[Network, torch.device]:
    """In evaluation mode, on a device; "auto" is a GPU where there is one."""
    found = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    return network.to(found).eval(), found
