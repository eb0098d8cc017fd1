"""PLY files of coloured triangle meshes: binary, little-endian."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def ply_bytes(vertices: NDArray, faces: NDArray, normals: NDArray, colours: NDArray, comment: str) -> bytes:
    """Content of a file of vertices [V, 3], faces [F, 3], normals [V, 3] and uint8 sRGB colours [V, 3]."""
    rows = np.zeros(len(vertices), np.dtype([("xyz", "<f4", 3), ("normal", "<f4", 3), ("rgb", "u1", 3)]))
    rows["xyz"], rows["normal"], rows["rgb"] = vertices, normals, colours
    triangles = np.zeros(len(faces), np.dtype([("n", "u1"), ("ijk", "<i4", 3)]))
    triangles["n"], triangles["ijk"] = 3, faces
    header = ["ply", "format binary_little_endian 1.0", f"comment {comment}", f"element vertex {len(rows)}"]
    header += [f"property float {name}" for name in ("x", "y", "z", "nx", "ny", "nz")]
    header += [f"property uchar {name}" for name in ("red", "green", "blue")]
    header += [f"element face {len(triangles)}", "property list uchar int vertex_indices", "end_header", ""]
    return "\n".join(header).encode() + rows.tobytes() + triangles.tobytes()
