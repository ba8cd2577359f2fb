"""GLB: a binary glTF 2.0 scene that opens in browsers and 3D programs (Khronos, glTF 2.0 specification)."""

import json
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from turnaround.io.atomic import atomic_file
from turnaround.io.existing import existing_file
from turnaround.io.image import encode_pixels
from turnaround.io.mesh import Mesh, TexturedMesh, require_sound
from turnaround.types import InputError

_MAGIC, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942  # "glTF", "JSON", "BIN\0", little-endian
_GENERATOR = "turnaround"
_TYPES = {5123: "<u2", 5125: "<u4", 5126: "<f4"}  # componentType of the arrays we write
_POINTS, _TRIANGLES = 0, 4  # mode of a primitive
_VERTICES, _ELEMENTS = 34962, 34963  # target of a buffer view: attributes and indices
# Smooth and clamped to the edge; without mipmaps, which would mix holes in from afar.
_SAMPLER = {"magFilter": 9729, "minFilter": 9729, "wrapS": 33071, "wrapT": 33071}
_UNLIT = {"doubleSided": True, "extensions": {"KHR_materials_unlit": {}}}
_WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}
# OpenCV's axes (y down, z forward) to glTF's (y up, -z forward): half a turn about x, as a column-major matrix
_GLTF_FROM_WORLD = [1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1]


def write_glb(
    path: Path,
    vertices: Float[Tensor, "n 3"],
    faces: Int[Tensor, "m 3"] | None,
    colors: UInt8[Tensor, "n 3"] | None,
) -> None:
    """A mesh, or points where `faces` is None; sRGB colours shown as they are (unlit).

    The positions in the file are ours, in OpenCV's axes; the node's matrix turns them into glTF's.
    """
    require_sound(path, Mesh(vertices=vertices, colors=colors, faces=faces))
    if len(vertices) == 0 or (faces is not None and len(faces) == 0):
        raise InputError(path, expected="vertices and faces", found="none", fix="check what feeds it")
    body = _Body()
    primitive: dict = {"attributes": {"POSITION": body.positions(vertices)}, "material": 0, "mode": _POINTS}
    if colors is not None:
        linear = _linear_from_srgb(colors.detach().cpu().numpy())
        primitive["attributes"]["COLOR_0"] = body.array("VEC4", linear, {"normalized": True})
    if faces is not None:
        primitive |= {"indices": body.triangles(faces), "mode": _TRIANGLES}
    _write(path, _document([("", primitive)], [_UNLIT], body), body)


def write_textured_glb(path: Path, meshes: Sequence[TexturedMesh]) -> None:
    """A node for each mesh, of its name, with its picture as PNG inside the file; unlit and axes as of `write_glb`."""
    if not meshes or any(len(mesh.faces) == 0 for mesh in meshes):
        raise InputError(path, expected="meshes with faces", found="none", fix="check what feeds it")
    body, primitives, materials = _Body(), [], []
    for number, mesh in enumerate(meshes):
        require_sound(path, Mesh(vertices=mesh.vertices, faces=mesh.faces))
        attributes = {"POSITION": body.positions(mesh.vertices), "TEXCOORD_0": body.floats("VEC2", mesh.coordinates)}
        attributes |= {name: body.floats("SCALAR", values) for name, values in mesh.attributes.items()}
        indices = body.triangles(mesh.faces)
        body.picture(encode_pixels(mesh.picture))
        primitives.append(
            (mesh.name, {"attributes": attributes, "indices": indices, "material": number, "mode": _TRIANGLES})
        )
        surface = {"baseColorTexture": {"index": number}, "metallicFactor": 0, "roughnessFactor": 1}
        materials.append(_UNLIT | {"pbrMetallicRoughness": surface})
    _write(path, _document(primitives, materials, body), body)


def read_glb(path: Path) -> Mesh:
    """What `write_glb` wrote, positions in OpenCV's axes; files of other programs are refused."""
    data = existing_file(path, expected="a GLB file").read_bytes()
    try:
        document, body = _chunks(data)
        if document["asset"].get("generator") != _GENERATOR:
            raise ValueError("a file of another program")
        if "textures" in document:
            raise ValueError("a scene with textures")
        primitive = document["meshes"][0]["primitives"][0]
        vertices = _array(document, body, primitive["attributes"]["POSITION"])
        colors = primitive["attributes"].get("COLOR_0")
        faces = primitive.get("indices")
        mesh = Mesh(
            vertices=torch.from_numpy(vertices.copy()),
            colors=None if colors is None else torch.from_numpy(_srgb_from_linear(_array(document, body, colors))),
            faces=None
            if faces is None
            else torch.from_numpy(_array(document, body, faces).reshape(-1, 3).astype(np.int64)),
        )
    except (ValueError, KeyError, IndexError, TypeError, struct.error) as error:
        found = f"something else or a damaged file ({error})"
        raise InputError(path, expected="a GLB that this program wrote", found=found, fix="write it again") from error
    require_sound(path, mesh)
    return mesh


class _Body:
    """The binary chunk, and what the document says of its parts."""

    def __init__(self):
        self.parts: list[bytes] = []
        self.size = 0
        self.views: list[dict] = []
        self.accessors: list[dict] = []
        self.images: list[dict] = []

    def positions(self, vertices: Tensor) -> int:
        """Their bounds are stated, as glTF demands (3.7.2.1)."""
        values = vertices.detach().cpu().numpy().astype("<f4")
        return self.array("VEC3", values, {"min": values.min(0).tolist(), "max": values.max(0).tolist()})

    def floats(self, kind: str, values: Tensor) -> int:
        return self.array(kind, values.detach().cpu().numpy().astype("<f4"), {})

    def triangles(self, faces: Tensor) -> int:
        return self.array("SCALAR", faces.detach().cpu().numpy().astype("<u4").reshape(-1), {}, target=_ELEMENTS)

    def array(self, kind: str, values: np.ndarray, extra: dict, *, target: int = _VERTICES) -> int:
        """The number of its accessor; its items must be a multiple of 4 bytes long."""
        view = self._view(values.tobytes(), {"target": target})
        component = {dtype: number for number, dtype in _TYPES.items()}[values.dtype.str]
        stated = {"bufferView": view, "componentType": component, "count": len(values), "type": kind}
        self.accessors.append(stated | extra)
        return len(self.accessors) - 1

    def picture(self, png: bytes) -> None:
        self.images.append({"bufferView": self._view(png, {}), "mimeType": "image/png"})

    def _view(self, data: bytes, extra: dict) -> int:
        self.views.append({"buffer": 0, "byteOffset": self.size, "byteLength": len(data)} | extra)
        padded = data + b"\0" * (-len(data) % 4)
        self.parts.append(padded)
        self.size += len(padded)
        return len(self.views) - 1


def _document(primitives: Sequence[tuple[str, dict]], materials: Sequence[dict], body: _Body) -> dict:
    """A node and a mesh for each named primitive, a texture for each picture."""
    nodes = [
        {"mesh": number, "matrix": _GLTF_FROM_WORLD} | ({"name": name} if name else {})
        for number, (name, _) in enumerate(primitives)
    ]
    document = {
        "asset": {"version": "2.0", "generator": _GENERATOR},
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{"nodes": list(range(len(nodes)))}],
        "nodes": nodes,
        "meshes": [{"primitives": [primitive]} for _, primitive in primitives],
        "materials": materials,
        "buffers": [{"byteLength": body.size}],
        "bufferViews": body.views,
        "accessors": body.accessors,
    }
    if body.images:
        document["images"] = body.images
        document["samplers"] = [_SAMPLER]
        document["textures"] = [{"sampler": 0, "source": number} for number in range(len(body.images))]
    return document


def _write(path: Path, document: dict, body: _Body) -> None:
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        file.write(struct.pack("<III", _MAGIC, 2, 28 + len(text) + body.size))
        file.write(struct.pack("<II", len(text), _JSON) + text)
        file.write(struct.pack("<II", body.size, _BIN))
        file.writelines(body.parts)


def _chunks(data: bytes) -> tuple[dict, bytes]:
    magic, version, length, text_length, text_kind = struct.unpack_from("<IIIII", data)
    if (magic, version, text_kind) != (_MAGIC, 2, _JSON) or length != len(data):
        raise ValueError("no header of that length")
    body_length, body_kind = struct.unpack_from("<II", data, 20 + text_length)
    body = data[28 + text_length :]
    if body_kind != _BIN or body_length != len(body):
        raise ValueError("no binary chunk of that length")
    return json.loads(data[20 : 20 + text_length]), body


def _array(document: dict, body: bytes, index: int) -> np.ndarray:
    """`np.frombuffer` refuses what lies outside the body."""
    accessor = document["accessors"][index]
    width, dtype = _WIDTHS[accessor["type"]], _TYPES[accessor["componentType"]]
    offset = document["bufferViews"][accessor["bufferView"]]["byteOffset"]
    values = np.frombuffer(body, dtype, count=accessor["count"] * width, offset=offset)
    return values.reshape(-1, width)


def _linear_from_srgb(colors: np.ndarray) -> np.ndarray:
    """RGBA in 16 bits: COLOR_0 is linear (glTF 2.0, 3.9.2), and 8 bits would band dark colours. IEC 61966-2-1."""
    srgb = colors / 255.0
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    opaque = np.ones((len(colors), 1))
    return np.round(np.concatenate([linear, opaque], axis=1) * 65535).astype("<u2")


def _srgb_from_linear(stored: np.ndarray) -> np.ndarray:
    linear = stored[:, :3] / 65535.0
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(srgb * 255).astype(np.uint8)
