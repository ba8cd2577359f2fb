"""All that decides what objects do, as text: for keys of what they made."""

import hashlib
from collections.abc import Mapping
from enum import Enum
from types import FunctionType
from typing import Any

from torch import Tensor


def described(value: Any) -> str:
    """The class and everything in it, down to numbers and text. What has a `fingerprint` is told by that.

    Attributes count whether they are public or not, since a private one may hold what a constructor was given; of
    tensors their bytes do.
    """
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return repr(value)
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, Tensor):
        digest = hashlib.sha256(value.detach().cpu().contiguous().numpy().tobytes()).hexdigest()[:16]
        return f"tensor{list(value.shape)}{value.dtype}{digest}"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{described(key)}: {described(each)}' for key, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(described, value))}]"
    if isinstance(value, FunctionType | type):
        return f"{value.__module__}.{value.__qualname__}"
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    if hasattr(value, "fingerprint"):
        return f"{name}({value.fingerprint()})"
    if hasattr(value, "__dict__"):
        return f"{name}({', '.join(f'{key}={described(each)}' for key, each in sorted(vars(value).items()))})"
    raise TypeError(f"{name} cannot be described: give it a fingerprint()")
