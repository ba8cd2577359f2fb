"""PLY point clouds and meshes, binary little-endian (Turk, The PLY Polygon File Format, 1994)."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from turnaround.io.atomic import atomic_file
from turnaround.io.existing import existing_file
from turnaround.io.mesh import Mesh, require_sound
from turnaround.types import InputError

_POSITION, _COLOR = ("x", "y", "z"), ("red", "green", "blue")
_SCALARS = {"float": "<f4", "float32": "<f4", "uchar": "u1", "uint8": "u1"}
_INDICES = {"int": "<i4", "int32": "<i4", "uint": "<u4", "uint32": "<u4"}
_HEADER_LINES = 1000


def write_ply(
    path: Path,
    points: Float[Tensor, "n 3"],
    *,
    colors: UInt8[Tensor, "n 3"] | None = None,
    faces: Int[Tensor, "m 3"] | None = None,
    attributes: Mapping[str, Float[Tensor, " n"] | UInt8[Tensor, " n"]] | None = None,
) -> None:
    """Float positions, uchar colours, further float or uchar numbers of each vertex, triangles."""
    require_sound(path, Mesh(vertices=points, colors=colors, faces=faces))
    columns = dict(zip(_POSITION, _numpy(points).T, strict=True))
    if colors is not None:
        columns |= zip(_COLOR, _numpy(colors).T, strict=True)
    for name, values in (attributes or {}).items():
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) or name in columns:
            raise InputError(path, expected="a new name of letters, digits and _", found=repr(name), fix="rename it")
        columns[name] = _numpy(values)
    vertices = np.empty(len(points), [(name, values.dtype) for name, values in columns.items()])
    for name, values in columns.items():
        vertices[name] = values
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}"]
    lines += [f"property {'uchar' if values.dtype == np.uint8 else 'float'} {name}" for name, values in columns.items()]
    if faces is not None:
        lines += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        file.write("\n".join([*lines, "end_header\n"]).encode("ascii"))
        file.write(vertices.tobytes())
        if faces is not None:
            triangles = np.empty(len(faces), _triangle("<i4"))
            triangles["count"], triangles["corners"] = 3, faces.detach().cpu().numpy()
            file.write(triangles.tobytes())


def read_ply(path: Path) -> Mesh:
    """What `write_ply` writes, from any program; other layouts are refused by name."""
    with existing_file(path, expected="a PLY file").open("rb") as file:
        elements = _read_header(path, file)
        vertex_count, vertex_type = elements["vertex"]
        face_count, face_type = elements.get("face", (0, np.dtype(_triangle("<i4"))))
        stated = vertex_count * vertex_type.itemsize + face_count * face_type.itemsize
        held = path.stat().st_size - file.tell()
        if stated != held:  # and so nothing larger than the file is ever allocated
            raise _refused(path, f"{stated} bytes after the header (vertices, then triangles)", str(held))
        vertices = np.frombuffer(file.read(vertex_count * vertex_type.itemsize), vertex_type)
        triangles = np.frombuffer(file.read(), face_type)
    if (triangles["count"] != 3).any():
        raise _refused(path, "triangles", "other polygons")
    names = vertex_type.names or ()
    mesh = Mesh(
        vertices=_stacked(vertices, _POSITION),
        colors=_stacked(vertices, _COLOR) if set(_COLOR) <= set(names) else None,
        faces=torch.from_numpy(triangles["corners"].astype(np.int64)) if "face" in elements else None,
        attributes={
            name: torch.from_numpy(vertices[name].copy()) for name in names if name not in (*_POSITION, *_COLOR)
        },
    )
    require_sound(path, mesh)
    return mesh


def _read_header(path: Path, file: IO[bytes]) -> dict[str, tuple[int, np.dtype]]:
    """Count and record type of each element, in the order of the file."""
    elements: dict[str, tuple[int, list]] = {}
    for number in range(_HEADER_LINES):
        line = file.readline(1000)
        words = line.decode("ascii", errors="replace").split()
        match words:
            case ["ply"] if number == 0:
                pass
            case _ if number == 0:
                raise _refused(path, "a PLY file", "something else")
            case ["format", "binary_little_endian", "1.0"] | ["comment", *_] | ["obj_info", *_]:
                pass
            case ["element", "vertex" | "face" as name, count] if count.isdecimal() and name not in elements:
                elements[name] = int(count), []
            case ["property", "list", "uchar" | "uint8", kind, "vertex_indices" | "vertex_index"] if (
                kind in _INDICES and list(elements) == ["vertex", "face"] and not elements["face"][1]
            ):
                elements["face"][1].extend(_triangle(_INDICES[kind]))
            case ["property", kind, name] if kind in _SCALARS and list(elements) == ["vertex"]:
                elements["vertex"][1].append((name, _SCALARS[kind]))
            case ["end_header"]:
                return _checked_types(path, elements)
            case _:
                found = line.decode("ascii", errors="replace").strip()[:80] or "the end of the file"
                raise _refused(path, "binary little-endian float and uchar vertices, then triangles", found)
    raise _refused(path, f"a header of at most {_HEADER_LINES} lines", "more")


def _checked_types(path: Path, elements: dict[str, tuple[int, list]]) -> dict[str, tuple[int, np.dtype]]:
    fields = dict(elements.get("vertex", (0, []))[1])
    if (
        len(fields) != len(elements.get("vertex", (0, []))[1])
        or [fields.get(name) for name in _POSITION] != ["<f4"] * 3
    ):
        raise _refused(path, "float x, y, z and no name twice", ", ".join(fields) or "no vertices")
    if any(fields.get(name, "u1") != "u1" for name in _COLOR):
        raise _refused(path, "uchar red, green, blue", "float colours")
    if "face" in elements and not elements["face"][1]:
        raise _refused(path, "faces with vertex_indices", "none")
    return {name: (count, np.dtype(fields)) for name, (count, fields) in elements.items()}


def _triangle(index: str) -> list:
    return [("count", "u1"), ("corners", index, (3,))]


def _stacked(vertices: np.ndarray, names: tuple[str, ...]) -> Tensor:
    return torch.from_numpy(np.stack([vertices[name] for name in names], axis=-1))


def _numpy(values: Tensor) -> np.ndarray:
    array = values.detach().cpu().numpy()
    return array if array.dtype == np.uint8 else array.astype("<f4")


def _refused(path: Path, expected: str, found: str) -> InputError:
    return InputError(path, expected=expected, found=found, fix="convert it, or write it again")
