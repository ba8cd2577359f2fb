"""`run.py pipeline=view`: a finished orbit in the browser, to look at, to change its path and to film it again."""

import io
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from turnaround.geometry.camera_path import require
from turnaround.pipelines.orbit.stored import read_run
from turnaround.pipelines.view.edit import Edit
from turnaround.pipelines.view.page import Page
from turnaround.pipelines.view.scene import ViewedScene
from turnaround.types import InputError

HOST = "127.0.0.1"  # nobody else's machine gets to see it


class ViewPipeline:
    """Serves the viewer's page on this machine alone.

    input: the folder of a finished orbit. port: 0 for any that is free. seconds: how long; None until Ctrl-C.
    key_frames: how many of the orbit's cameras become key frames to begin with. points: about how many are shown at
    most.
    """

    weights = ()

    def __init__(self, *, input: str, port: int, seconds: float | None, key_frames: int, points: int):
        require("port", 0 <= port < 2**16, "0 to 65535", port)
        require("seconds", seconds is None or 0 <= seconds < math.inf, "seconds, or null", seconds or 0.0)
        require("key_frames", key_frames >= 1, "at least 1", key_frames)
        require("points", points >= 1, "at least 1", points)
        self.input, self.port, self.seconds, self.key_frames, self.points = input, port, seconds, key_frames, points

    def run(self, out: Path) -> dict[str, float]:
        """Until the time is over or Ctrl-C. Returns key_views, points (shown) and films (made)."""
        folder = Path(self.input)
        stored = read_run(folder)
        if out.resolve() == folder.resolve():
            fix = "choose another out="
            raise InputError("out", expected="a folder apart from the orbit's", found=str(out), fix=fix)
        scene = ViewedScene(stored, points=self.points)
        with served(self.port) as server:
            page = Page(server, scene, Edit.of(stored, key_frames=self.key_frames), out)
            print(f"the viewer is at http://{HOST}:{server.get_port()}; Ctrl-C ends it", file=sys.stderr, flush=True)
            with suppress(KeyboardInterrupt):
                page.attend(self.seconds)
        shown = sum(len(cloud.points) for cloud in scene.clouds)
        return {"key_views": float(len(stored.cache.views)), "points": float(shown), "films": float(page.films)}


@contextmanager
def served(port: int) -> Iterator[Any]:
    """A `viser.ViserServer` on the loopback interface, without its way to share the page with the world.

    InputError: viser is not installed; the port is taken.
    """
    try:
        import viser
    except ImportError as error:
        fix = "pip install -e '.[viewer]'"
        raise InputError("pipeline=view", expected="the package viser", found="none", fix=fix) from error
    with redirect_stdout(io.StringIO()):  # its banner
        server = viser.ViserServer(host=HOST, port=port, label="Turnaround", verbose=False)
    try:
        if port not in (0, server.get_port()):  # it took the next that is free
            fix = "choose another, or pipeline.port=0 for any that is free"
            raise InputError("pipeline.port", expected="a free port", found=f"{port}, which is taken", fix=fix)
        server.request_share_url = lambda verbose=True: None  # any page that reaches the server could ask for it
        server.gui.configure_theme(show_share_button=False, show_logo=False)
        yield server
    finally:
        server.stop()
