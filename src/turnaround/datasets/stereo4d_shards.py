"""Clips of Stereo4D's format from tar files."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from turnaround.datasets.drops import Drops
from turnaround.datasets.stereo4d_store import ClipReader
from turnaround.io.shards import Member, Shard, extract_clip, read_index, shard_members
from turnaround.types import Clip, InputError


class Stereo4DShards:
    """What `pipeline=mine.shards` wrote: a `ClipStore` whose groups are the tars.

    A clip that is drawn is copied to a temporary folder, and removed once its frames are read. Clips that cannot serve
    are dropped then.
    """

    def __init__(self, *, root: str, reader: ClipReader):
        self.root, self.reader, self.drops = Path(root), reader, Drops("clips of shards")
        self._members = dict[str, Mapping[str, Mapping[str, Member]]]()

    def groups(self) -> Sequence[Sequence[str]]:
        """InputError: there are none."""
        return [list(shard.clips) for shard in self._shards]

    def length(self, name: str) -> int:
        return self._where[name].clips[name]

    def clip(self, name: str, frames: Sequence[int]) -> Clip:
        with self.drops.named(name), TemporaryDirectory() as folder:
            shard = self._where[name]
            path = self.root / shard.file
            if shard.file not in self._members:
                self._members[shard.file] = shard_members(self.root, shard)
            members = self._members[shard.file].get(name)
            if members is None:
                raise InputError(path, expected=f"the clip {name}", found="none", fix="export the shards again")
            return self.reader.read(extract_clip(path, members, name, Path(folder)), frames)

    @cached_property
    def _shards(self) -> Sequence[Shard]:
        return read_index(self.root)

    @cached_property
    def _where(self) -> Mapping[str, Shard]:
        return {name: shard for shard in self._shards for name in shard.clips}
