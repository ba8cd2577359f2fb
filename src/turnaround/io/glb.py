"""GLB: a binary glTF 2.0 scene that opens in browsers and 3D programs (Khronos, glTF 2.0 specification)."""

import json
import struct
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from turnaround.io.atomic import atomic_file
from turnaround.io.existing import existing_file
from turnaround.io.mesh import Mesh, require_sound
from turnaround.types import InputError

_MAGIC, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942  # "glTF", "JSON", "BIN\0", little-endian
_GENERATOR = "turnaround"
_TYPES = {5123: "<u2", 5125: "<u4", 5126: "<f4"}  # componentType of the three arrays we write
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
    positions = vertices.detach().cpu().numpy().astype("<f4")
    arrays = [("VEC3", positions, {"min": positions.min(0).tolist(), "max": positions.max(0).tolist()})]
    primitive: dict = {"attributes": {"POSITION": 0}, "material": 0, "mode": 0 if faces is None else 4}
    if colors is not None:
        primitive["attributes"]["COLOR_0"] = len(arrays)
        arrays.append(("VEC4", _linear_from_srgb(colors.detach().cpu().numpy()), {"normalized": True}))
    if faces is not None:
        primitive["indices"] = len(arrays)
        arrays.append(("SCALAR", faces.detach().cpu().numpy().astype("<u4").reshape(-1), {}))
    body = b"".join(values.tobytes() for _, values, _ in arrays)  # each a multiple of 4 bytes long
    text = json.dumps(_document(primitive, arrays), separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        file.write(struct.pack("<III", _MAGIC, 2, 28 + len(text) + len(body)))
        file.write(struct.pack("<II", len(text), _JSON) + text)
        file.write(struct.pack("<II", len(body), _BIN) + body)


def read_glb(path: Path) -> Mesh:
    """What `write_glb` wrote, positions in OpenCV's axes; files of other programs are refused."""
    data = existing_file(path, expected="a GLB file").read_bytes()
    try:
        document, body = _chunks(data)
        if document["asset"].get("generator") != _GENERATOR:
            raise ValueError("a file of another program")
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


def _document(primitive: dict, arrays: list[tuple[str, np.ndarray, dict]]) -> dict:
    sizes = [values.nbytes for _, values, _ in arrays]
    offsets = np.cumsum([0, *sizes]).tolist()
    targets = [34963 if kind == "SCALAR" else 34962 for kind, _, _ in arrays]  # element and vertex buffers
    component = {dtype: number for number, dtype in _TYPES.items()}
    return {
        "asset": {"version": "2.0", "generator": _GENERATOR},
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "matrix": _GLTF_FROM_WORLD}],
        "meshes": [{"primitives": [primitive]}],
        "materials": [{"doubleSided": True, "extensions": {"KHR_materials_unlit": {}}}],
        "buffers": [{"byteLength": offsets[-1]}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": offset, "byteLength": size, "target": target}
            for offset, size, target in zip(offsets[:-1], sizes, targets, strict=True)
        ],
        "accessors": [
            {"bufferView": view, "componentType": component[values.dtype.str], "count": len(values), "type": kind}
            | extra
            for view, (kind, values, extra) in enumerate(arrays)
        ],
    }


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
