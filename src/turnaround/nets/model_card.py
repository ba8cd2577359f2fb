"""Whose weights a published folder holds, as its model card says it."""

from pathlib import Path

from turnaround.types import WeightsNotice

LICENCES = {
    "apache-2.0": "Apache-2.0",
    "cc-by-nc-4.0": "CC BY-NC 4.0: no commercial use",
    "creativeml-openrail-m": "CreativeML OpenRAIL-M",
    "openrail++": "CreativeML Open RAIL++-M",
}
UNKNOWN_LICENCE = "that of its publisher"
MAX_README_BYTES = 2**20


def notice_of(folder: Path, path: str) -> WeightsNotice:
    """path: as it was given, a folder or a repository of the hub."""
    return WeightsNotice(name=_name(folder, path), source=path, licence=_licence(folder))


def _name(folder: Path, path: str) -> str:
    """Of a repository its own name, of a folder that of the folder."""
    return path.rpartition("/")[2] if not Path(path).expanduser().is_dir() else folder.resolve().name


def _licence(folder: Path) -> str:
    """As the head of the model card names it."""
    card = folder / "README.md"
    if not card.is_file() or card.stat().st_size > MAX_README_BYTES:
        return UNKNOWN_LICENCE
    head = card.read_text(encoding="utf-8", errors="replace").split("---")[1:2]
    for line in (head[0] if head else "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "license" and value.strip():
            return LICENCES.get(value.strip(), value.strip())
    return UNKNOWN_LICENCE
