"""Whose weights were used."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class WeightsNotice:
    """What a run says of the weights it used. source: a folder, or a repository of the hub."""

    name: str
    source: str
    licence: str
