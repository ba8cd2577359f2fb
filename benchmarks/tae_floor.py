"""Strict TAE of the truth itself on the procedural benchmark: what nearest-pixel warping leaves. No arguments."""

from turnaround.datasets.procedural import ProceduralClips
from turnaround.metrics.temporal import TemporalAlignmentError
from turnaround.scenes.sample import WorldSampler
from turnaround.types import Pinhole


def main() -> None:
    clips = ProceduralClips(sampler=WorldSampler(), first=0, count=64, cache=".cache/procedural")
    for tolerance in (0.005, 0.01, 0.02, 0.05):
        metric, values = TemporalAlignmentError(tolerance=tolerance), []
        for id in clips.ids():
            clip = clips.clip(id)
            assert clip.depth is not None
            assert isinstance(clip.cameras, Pinhole)
            truth = clip.depth.values
            values.append(metric(truth, truth, truth > 0, clip.cameras).value)
        print(f"tolerance {tolerance}: {sum(values) / len(values):.3f}")


if __name__ == "__main__":
    main()
