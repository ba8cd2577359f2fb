"""Small videos, and ways to take their files apart."""

import av
import torch


def gradient(frames, height, width):
    """Smooth and moving, so that compression is nearly lossless."""
    t, y, x = torch.meshgrid(*(torch.linspace(0, 1, n) for n in (frames, height, width)), indexing="ij")
    return torch.stack([x, y, 0.5 * t + 0.25 * (x + y)], dim=1)


def noise(frames, height, width):
    return torch.rand(frames, 3, height, width, generator=torch.Generator().manual_seed(0))


def samples(path):
    """Offset and size of each frame in an MP4, in the order of decoding."""
    with av.open(str(path)) as container:
        return [(entry.pos, entry.size) for entry in container.streams.video[0].index_entries]


def remuxed(source, target, *, shift=0, options=None):
    """The same packets in another container, shown `shift` ticks earlier."""
    with av.open(str(source)) as read, av.open(str(target), "w", options=options or {}) as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(read.streams.video[0]):
            if packet.dts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, stream
                written.mux(packet)
    return target
