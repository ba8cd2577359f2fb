"""The viewer's page: what a person sees and presses, and what follows from it."""

import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import torch

from turnaround.pipelines.view.edit import Edit
from turnaround.pipelines.view.film import film
from turnaround.pipelines.view.inbox import Inbox
from turnaround.pipelines.view.layers import LAYERS, Layers
from turnaround.pipelines.view.scene import Coloring, Pose, ViewedScene, as_bytes, vertical_fov
from turnaround.types import InputError, Pinhole

PATIENCE = 0.2  # seconds between looks at the clock
MAX_FRAMES = 10_000


class Page:
    """server: a `viser.ViserServer`, whose threads only put actions into the inbox; all is done by the thread of
    `attend`. out: where new videos go. films: how many were made. controls: all that may be changed or pressed."""

    def __init__(self, server: Any, scene: ViewedScene, edit: Edit, out: Path):
        self.server, self.scene, self.edit, self.out = server, scene, edit, out
        self.inbox, self.films = Inbox(), 0
        self.controls: dict[str, Any] = {}
        self.layers = Layers(server, scene)
        self._look_from_the_start()
        with server.gui.add_folder("Scene"):
            self._build_scene()
        with server.gui.add_folder("Path"):
            self._build_path()
        with server.gui.add_folder("Key frames"):
            self._build_keys()
        with server.gui.add_folder("Picture"):
            self._build_picture()
        self._redraw()
        server.on_client_connect(lambda client: client.camera.on_update(lambda _: self._moved(client)))

    def attend(self, seconds: float | None) -> None:
        """Does what is asked for, for so many seconds or until an interruption."""
        end = float("inf") if seconds is None else monotonic() + seconds
        next_frame = 0.0
        while (left := end - monotonic()) > 0:
            wait = min(PATIENCE, left)
            if self.play.value:
                wait = min(max(next_frame - monotonic(), 0.0), wait)
            if not self._answered(wait) and self.play.value and monotonic() >= next_frame:
                next_frame = monotonic() + 1 / self.scene.stored.setting.fps
                self.frame.value = (self._number() + 1) % self.edit.frames

    def _answered(self, wait: float) -> bool:
        try:
            return self.inbox.do_next(wait)
        except InputError as error:
            self._say(str(error))
            return True

    def _build_scene(self) -> None:
        gui = self.server.gui
        for layer in LAYERS:
            box = gui.add_checkbox(layer, self.layers.parents[layer].visible)
            self._updated(box, f"show {layer}", lambda _, box=box, layer=layer: self.layers.show(layer, box.value))
        colors = gui.add_dropdown("colour", [str(one) for one in Coloring])
        self._updated(colors, "colour", lambda _: self.layers.color(Coloring(colors.value)))
        size = gui.add_slider("point size", 0.2, 5.0, 0.1, 1.0)
        self._updated(size, "size", lambda _: self.layers.size(float(size.value)))

    def _build_path(self) -> None:
        gui = self.server.gui
        self.frame = gui.add_slider("frame", 0, max(self.edit.frames - 1, 1), 1, 0)
        self._updated(self.frame, "frame", lambda _: self._show_frame())
        self.play = gui.add_checkbox("play", False)
        self.ride = gui.add_checkbox("ride along", False, hint="move the view with the frame")
        frames = gui.add_number("frames", self.edit.frames, min=1, max=MAX_FRAMES, step=1)
        self._updated(frames, "frames", lambda _: self._set_frames(int(frames.value)))
        closed = gui.add_checkbox("closed", self.edit.keys.closed, hint="the last key frame leads to the first")
        self._updated(closed, "closed", lambda _: self._set_closed(closed.value))

    def _build_keys(self) -> None:
        gui = self.server.gui
        self.keys = gui.add_dropdown("key frame", self._key_names())
        self._button("Go to it", lambda _: self._go())
        self._button("Set my view at this frame", self._place)
        self._button("Move it to this frame", lambda _: self._move())
        self._button("Delete it", lambda _: self._delete())

    def _build_picture(self) -> None:
        gui = self.server.gui
        self._button("Show my view", self._show_view)
        self.live = gui.add_checkbox("live", False, hint="show my view whenever it moves")
        self.picture = gui.add_image(self._pixels(self.edit.cameras.at(0)), format="png")
        self._button("Re-render", lambda _: self._film())
        self.progress = gui.add_progress_bar(0.0)
        self.said = gui.add_markdown("")

    def _updated(self, handle: Any, name: str, action: Callable[[Any], None]) -> None:
        self.controls[name] = handle
        handle.on_update(lambda event: self.inbox.put(name, lambda: action(event.client)))

    def _button(self, label: str, action: Callable[[Any], None]) -> None:
        self.controls[label] = self.server.gui.add_button(label)
        self.controls[label].on_click(lambda event: self.inbox.put(label, lambda: action(event.client)))

    def _look_from_the_start(self) -> None:
        first, camera = self.edit.cameras.at(0), self.server.initial_camera
        pose = Pose.of(first)
        camera.position = pose.position.numpy()
        camera.look_at = self.scene.stored.setting.pivot.numpy()
        camera.up = -pose.world_from_cam[:3, 1].numpy()
        camera.fov = vertical_fov(first)

    def _show_frame(self) -> None:
        camera = self.edit.cameras.at(self._number())
        if self.ride.value:
            self._fly(camera)
        self.picture.image = self._pixels(camera)

    def _show_view(self, client: Any) -> None:
        if client is not None:
            self.picture.image = self._pixels(self.camera_of(client))

    def _moved(self, client: Any) -> None:
        if self.live.value:
            self.inbox.put("live", lambda: self._show_view(client))

    def _pixels(self, camera: Pinhole) -> Any:
        return as_bytes(self.scene.seen(camera).image).numpy()

    def _fly(self, camera: Pinhole) -> None:
        pose = Pose.of(camera)
        for client in self.server.get_clients().values():
            with client.atomic():
                client.camera.position = pose.position.numpy()
                client.camera.wxyz = pose.wxyz.numpy()
                client.camera.fov = vertical_fov(camera)

    def camera_of(self, client: Any) -> Pinhole:
        """What a browser shows, at the video's size."""
        stated = client.camera
        pose = Pose(wxyz=torch.from_numpy(stated.wxyz).double(), position=torch.from_numpy(stated.position).double())
        return self.scene.camera_at(pose, vertical_fov=float(stated.fov))

    def _number(self) -> int:
        """Of the frame that is shown; the slider of a single one reaches further."""
        return min(int(self.frame.value), self.edit.frames - 1)

    def _chosen(self) -> int:
        return self._key_names().index(self.keys.value)

    def _go(self) -> None:
        number = self._chosen()
        self.frame.value = self.edit.frame(number)
        self._fly(self.edit.keys.frames[number].camera)

    def _place(self, client: Any) -> None:
        if client is not None:
            camera, time = self.camera_of(client), self.edit.time(self._number())
            self._change(self.edit.with_keys(lambda keys: keys.placed(camera, time)))

    def _move(self) -> None:
        number, time = self._chosen(), self.edit.time(self._number())
        self._change(self.edit.with_keys(lambda keys: keys.moved(number, time)))

    def _delete(self) -> None:
        number = self._chosen()
        self._change(self.edit.with_keys(lambda keys: keys.without(number)))

    def _set_closed(self, closed: bool) -> None:
        self._change(self.edit.with_keys(lambda keys: keys.joined() if closed else keys.parted()))

    def _set_frames(self, frames: int) -> None:
        self.frame.value = min(self._number(), frames - 1)
        self.frame.max = max(frames - 1, 1)
        self._change(self.edit.with_frames(frames))

    def _change(self, edit: Edit) -> None:
        self.edit = edit
        self._redraw()
        self._show_frame()

    def _redraw(self) -> None:
        self.layers.draw(self.edit)
        self.keys.options = self._key_names()

    def _key_names(self) -> tuple[str, ...]:
        return tuple(f"{number} at {key.time:.3f}" for number, key in enumerate(self.edit.keys.frames))

    def _film(self) -> None:
        def told(frames: int) -> None:
            self.progress.value = 100 * frames / self.edit.frames

        told(0)
        self._say(f"rendering {self.edit.frames} frames")
        folder = film(self.scene, self.edit.filmed(self.scene.stored.setting.fps), self.out, told=told)
        self.films += 1
        self._say(f"wrote {folder}")

    def _say(self, line: str) -> None:
        self.said.content = line
        print(line, file=sys.stderr, flush=True)
