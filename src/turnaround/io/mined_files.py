"""Where the files of a mined clip lie."""

from dataclasses import dataclass
from pathlib import Path

from turnaround.io.existing import inside
from turnaround.types import InputError

CLIPS, QUALITY, DISPARITY = "clips", "quality", "disparity"
EYES = {
    "left": ("{}_left.mp4", "{}-left_rectified.mp4", "left/{}.mp4"),
    "right": ("{}_right.mp4", "{}-right_rectified.mp4", "right/{}.mp4"),
}  # ours, those of the release's own tool, one folder for each eye


@dataclass(frozen=True, kw_only=True)
class ClipFiles:
    """annotation: of the released format. The others need not be there."""

    name: str
    annotation: Path
    left: Path
    right: Path
    quality: Path
    disparity: Path

    @property
    def thumbnail(self) -> Path:
        return self.quality.with_suffix(".jpg")


def mined_files(root: Path, name: str) -> ClipFiles:
    """Where a clip of a mined folder lies, or will."""
    clips = root / CLIPS
    return ClipFiles(
        name=name,
        annotation=inside(clips, f"{name}.npz", listed_in=root),
        left=clips / f"{name}_left.mp4",
        right=clips / f"{name}_right.mp4",
        quality=root / QUALITY / f"{name}.npz",
        disparity=root / DISPARITY / f"{name}.npz",
    )


def annotations(root: Path) -> list[Path]:
    """Those of a mined folder, or the .npz files of any other, by name."""
    folder = root / CLIPS if (root / CLIPS).is_dir() else root
    found = sorted(path for path in folder.glob("[!.]*.npz") if path.is_file())
    if not found:
        raise InputError(folder, expected="NAME.npz of clips", found="none", fix="give a mined or released folder")
    return found


def files_of(annotation: Path, *, videos: Path | None = None) -> ClipFiles:
    """Of an annotation wherever it lies. videos: where its videos lie; None for beside it."""
    folder = annotation.parent
    root = folder.parent if folder.name == CLIPS else folder
    places = {eye: [(videos or folder) / name.format(annotation.stem) for name in names] for eye, names in EYES.items()}
    found = {eye: next((path for path in paths if path.is_file()), paths[0]) for eye, paths in places.items()}
    return ClipFiles(
        name=annotation.stem,
        annotation=annotation,
        **found,
        quality=root / QUALITY / annotation.name,
        disparity=root / DISPARITY / annotation.name,
    )
