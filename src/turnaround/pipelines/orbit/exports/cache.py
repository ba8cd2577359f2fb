"""The orbit for `pipeline=view`: all that its pictures are rendered from."""

from pathlib import Path

from turnaround.pipelines.orbit.exports.export import Export, Finished
from turnaround.pipelines.orbit.stored import NAME, StoredScene, write_scene


class SceneFile(Export):
    """`scene.safetensors`: the scene cache, the path and the setting (`orbit.stored`)."""

    names = (NAME,)

    def write(self, out: Path, finished: Finished) -> None:
        scene = StoredScene(cache=finished.cache, path=finished.orbit.cameras, setting=finished.setting)
        write_scene(out / NAME, scene)
