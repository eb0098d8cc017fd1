"""What a pixel looks like: kernels that shade what the z-buffer found and average samples. Linear light, float32 buffers.

Codes of what a sample shows: a face's number, or the number of faces and a segment's for a strand, or -1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fullhead.core.compiled import njit
from fullhead.synth.anatomy.textured_mesh import CLOTH, EYE, SKIN
from fullhead.synth.rendering.lights import on_map, shadow_gap

SKIN_WRAP = (0.22, 0.11, 0.07)  # how far around skin light of each colour travels, as a cosine
SKIN_SHADOW = (0.72, 1.05, 1.15)  # powers of how open to the key light skin is: below 1, light travels into the shadow
_STEPS = [(dx, dy) for dx in range(-2, 3) for dy in range(-2, 3)]
SHADOW_NEIGHBOURS = np.array(sorted(_STEPS, key=lambda step: step[0] % 2 + step[1] % 2 > 0))  # every second one first
NINE = 9


class ZBuffer(NamedTuple):
    """What lies nearest in each sample."""

    winner: NDArray  # [H, W] int32, code of it
    weight_b: NDArray  # [H, W], of the second corner of a face
    weight_c: NDArray  # [H, W], of the third
    nearest: NDArray  # [H, W] inverse depth, 0 where nothing is


class Shaded(NamedTuple):
    """What the samples look like."""

    colour: NDArray  # [H, W, 3]
    label: NDArray  # [H, W] uint8
    normal: NDArray  # [H, W, 3]


class Photo(NamedTuple):
    """One view. Size n, float32."""

    colour: NDArray  # [n, n, 3] linear light over black, multiplied by alpha
    alpha: NDArray  # [n, n] in [0, 1]
    depth: NDArray  # [n, n] camera z of the nearest thing in the pixel, world units; 0 where alpha is 0
    normal: NDArray  # [n, n, 3] unit, world; of the same thing
    label: NDArray  # [n, n] uint8, regions.LABELS


@njit(nogil=True)
def _tone_mapped(colour):
    """Roll off highlights and deepen shadows: a film's curve (Narkowicz's fit of ACES), softened by Reinhard's."""
    soft = 1.25 * colour * (1 + colour / 2.2**2) / (1 + colour)
    x = 0.77 * colour
    film = x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)
    return 0.6 * min(film, 1.0) + 0.4 * soft


@njit(nogil=True)
def average_samples(buffer, shaded, samples, photo):
    """Of the samples x samples of each pixel mean tone-mapped colour and cover, and depth, normal and label of the nearest."""
    winner, nearest, colour = buffer.winner, buffer.nearest, shaded.colour
    for row in range(photo.alpha.shape[0]):
        for column in range(photo.alpha.shape[1]):
            r = g = b = 0.0
            covered, top, left = 0, samples * row, samples * column
            first_y, first_x = top, left
            for y in range(top, top + samples):
                for x in range(left, left + samples):
                    if winner[y, x] < 0:
                        continue
                    covered += 1
                    r += _tone_mapped(colour[y, x, 0])
                    g += _tone_mapped(colour[y, x, 1])
                    b += _tone_mapped(colour[y, x, 2])
                    if nearest[y, x] > nearest[first_y, first_x]:
                        first_y, first_x = y, x
            total = samples * samples
            for k, value in enumerate((r, g, b)):
                photo.colour[row, column, k] = value / total
            photo.alpha[row, column] = covered / total
            photo.depth[row, column] = 1 / nearest[first_y, first_x] if covered else 0.0
            photo.label[row, column] = shaded.label[first_y, first_x]
            for k in range(3):
                photo.normal[row, column, k] = shaded.normal[first_y, first_x, k]


@njit(nogil=True)
def _unit(x, y, z):
    scale = 1 / np.sqrt(x * x + y * y + z * z + 1e-12)
    return x * scale, y * scale, z * scale


@njit(nogil=True)
def _middle(values, i, j):
    return 0.5 * (values[i, 0] + values[j, 0]), 0.5 * (values[i, 1] + values[j, 1]), 0.5 * (values[i, 2] + values[j, 2])


@njit(inline="always")
def _mixed(values, corners, weights):
    """Of three rows of values [V, 3]."""
    (i, j, k), (a, b, c) = corners, weights
    return (
        values[i, 0] * a + values[j, 0] * b + values[k, 0] * c,
        values[i, 1] * a + values[j, 1] * b + values[k, 1] * c,
        values[i, 2] * a + values[j, 2] * b + values[k, 2] * c,
    )


@njit(nogil=True)
def _surface_point(vertices, normals, corners, b, c, eye):
    """Where on a face the weights b and c of its second and third corner lead: all weights, the place, the unit normal, turned
    to the eye, the direction to the eye, and the cosine between both."""
    weights = (1 - b - c, b, c)
    px, py, pz = _mixed(vertices, corners, weights)
    nx, ny, nz = _unit(*_mixed(normals, corners, weights))
    vx, vy, vz = _unit(eye[0] - px, eye[1] - py, eye[2] - pz)
    n_v = nx * vx + ny * vy + nz * vz
    if n_v < 0:
        nx, ny, nz, n_v = -nx, -ny, -nz, -n_v
    return weights, (px, py, pz), (nx, ny, nz), (vx, vy, vz), n_v


@njit(nogil=True)
def _mirrored(n, v, n_v):
    """The direction v to the eye mirrored at a normal n, to which its cosine is n_v."""
    return 2 * n_v * n[0] - v[0], 2 * n_v * n[1] - v[1], 2 * n_v * n[2] - v[2]


@njit(nogil=True)
def texture_colour(texels, layout, texture, u, v):
    """Bilinear colour of one of the textures, clamped at its border."""
    height, width, first = layout[texture, 0], layout[texture, 1], layout[texture, 2]
    x, y = u * width - 0.5, (1 - v) * height - 0.5
    x0, y0 = int(np.floor(x)), int(np.floor(y))
    fx, fy = x - x0, y - y0
    left, right = min(max(x0, 0), width - 1), min(max(x0 + 1, 0), width - 1)
    top, bottom = first + min(max(y0, 0), height - 1) * width, first + min(max(y0 + 1, 0), height - 1) * width
    r = g = b = 0.0
    for row, wy in ((top, 1 - fy), (bottom, fy)):
        for column, wx in ((left, 1 - fx), (right, fx)):
            w = wx * wy
            r += w * texels[row + column, 0]
            g += w * texels[row + column, 1]
            b += w * texels[row + column, 2]
    return r, g, b


@njit(nogil=True)
def _open_to_key(shadow, x, y, z):
    """Share of a 5x5 neighbourhood of the shadow map that leaves the point in the key light; where nine of them agree, they
    stand for all."""
    nearest, size = shadow.nearest, shadow.nearest.shape[0]
    column, row, depth = on_map(shadow.basis, shadow.scale, size * 0.5, x, y, z)
    seen = 0
    for k, (dx, dy) in enumerate(SHADOW_NEIGHBOURS):
        if k == NINE and (seen == 0 or seen == NINE):
            return seen / NINE
        c, r = int(column + 1.3 * dx), int(row + 1.3 * dy)
        if not (0 <= c < size and 0 <= r < size) or nearest[r, c] <= 0 or depth - (4.0 - nearest[r, c]) < 0.006:
            seen += 1
    return seen / len(SHADOW_NEIGHBOURS)


@njit(nogil=True)
def _highlight(roughness, n, v, n_v, n_l, key):
    """Microfacet reflection of the key light, to which the cosine is `n_l`."""
    hx, hy, hz = _unit(v[0] + key[0], v[1] + key[1], v[2] + key[2])
    n_h = max(0.0, n[0] * hx + n[1] * hy + n[2] * hz)
    v_h = max(0.0, v[0] * hx + v[1] * hy + v[2] * hz)
    alpha2 = roughness**4
    spread = n_h * n_h * (alpha2 - 1) + 1
    fresnel = 0.04 + 0.96 * (1 - v_h) ** 5
    value = fresnel * alpha2 / (np.pi * spread * spread) * 0.25 / max(0.15, max(n_l, n_v)) * n_l
    return min(value, 6.0)


@njit(nogil=True)
def _reflected_surroundings(roughness, r, lights):
    """Radiance of sky, rim and fill towards a reflected direction, blurred by the roughness."""
    rim, fill = lights.rim, lights.fill
    sharpness = 1 / (0.6 * roughness * roughness + 0.03)
    towards_rim, towards_fill = r[0] * rim[0] + r[1] * rim[1] + r[2] * rim[2], r[0] * fill[0] + r[1] * fill[1] + r[2] * fill[2]
    from_rim = 1.6 * np.exp(min(14.0, sharpness) * (towards_rim - 1))
    from_fill = 0.55 * np.exp(min(4.0, sharpness) * (towards_fill - 1))
    return 0.30 + 0.25 * max(0.0, r[1]) + from_rim + from_fill


@njit(nogil=True)
def shade_surfaces(buffer, surfaces, ambient, eye, lights, shadow, shaded):
    """Shade the samples of a z-buffer that show surfaces (SurfaceArrays), with ambient light [V], for an eye [3]."""
    faces, uv, openness, key, key_colour = surfaces.faces, surfaces.uv, surfaces.openness, lights.key, lights.key_colour
    height, width = buffer.winner.shape
    for y in range(height):
        for x in range(width):
            t = buffer.winner[y, x]
            if t < 0 or t >= faces.shape[0]:
                continue
            i, j, k = faces[t, 0], faces[t, 1], faces[t, 2]
            b, c = buffer.weight_b[y, x], buffer.weight_c[y, x]
            (a, b, c), (px, py, pz), n, v, n_v = _surface_point(surfaces.vertices, surfaces.normals, (i, j, k), b, c, eye)
            nx, ny, nz = n
            uv_x = uv[i, 0] * a + uv[j, 0] * b + uv[k, 0] * c
            uv_y = uv[i, 1] * a + uv[j, 1] * b + uv[k, 1] * c
            albedo = texture_colour(surfaces.texels, surfaces.texture_layout, surfaces.texture[t], uv_x, uv_y)
            material, rough = surfaces.material[t], surfaces.roughness[t]
            n_l = nx * key[0] + ny * key[1] + nz * key[2]
            open_to_key = highlight = 0.0
            if n_l > (-SKIN_WRAP[0] if material == SKIN else 0):  # else the key light does not reach it
                open_to_key = _open_to_key(shadow, px + nx * 0.004, py + ny * 0.004, pz + nz * 0.004)
                open_to_key *= openness[i] * a + openness[j] * b + openness[k] * c
                if n_l > 0:
                    highlight = _highlight(max(rough, 0.15), n, v, n_v, n_l, key)
            reflected = _reflected_surroundings(rough, _mirrored(n, v, n_v), lights)
            grazing = 0.028 + 0.5 * (1 - n_v) ** 5
            if material == CLOTH:
                highlight, grazing = 0.15 * highlight, 0.2 * grazing
            elif material == EYE:  # a lamp is larger than a point, its image on wet eyes stays bright
                highlight = min(6.0, 1.5 * highlight)
            light = ambient[i] * a + ambient[j] * b + ambient[k] * c
            seen = min(1.0, light / (0.9 * lights.ambient))
            mirror = lights.ambient * reflected * min(grazing, 0.35) * seen * seen * (1 - 0.95 * rough)
            mirror *= 1.0 if material == EYE else 0.6
            for channel in range(3):
                # Light travels in skin, red the farthest: around edges and into shadows.
                wrap = SKIN_WRAP[channel] if material == SKIN else 0.0
                diffuse = max(0.0, (n_l + wrap) / (1 + wrap))
                if diffuse > 0:
                    travels = material == SKIN and 0 < open_to_key < 0.999
                    diffuse *= open_to_key ** SKIN_SHADOW[channel] if travels else open_to_key
                # What hollows keep out comes back from their walls, in their colour.
                bounced = light / (1 - min(0.9, albedo[channel]) * (1 - seen))
                direct = bounced + key_colour[channel] * diffuse
                shaded.colour[y, x, channel] = albedo[channel] * direct + highlight * open_to_key * key_colour[channel] + mirror
            shaded.label[y, x] = surfaces.label[t]
            shaded.normal[y, x, 0], shaded.normal[y, x, 1], shaded.normal[y, x, 2] = n


@njit(nogil=True)
def shade_strands(segment, strands, ambient, eye, lights, shadow, shaded):
    """Shade the samples that show a segment [H, W] >= 0 of strands (StrandArrays), whose points have ambient light [P]: two
    tilted highlights, one white, one tinted, and light through hair."""
    segments, hair_colour, key, key_colour = strands.segments, strands.colour, lights.key, lights.key_colour
    height, width = segment.shape
    for y in range(height):
        for x in range(width):
            s = segment[y, x]
            if s < 0:
                continue
            i, j = segments[s, 0], segments[s, 1]
            px, py, pz = _middle(strands.points, i, j)
            tx, ty, tz = _unit(*_middle(strands.tangents, i, j))
            vx, vy, vz = _unit(eye[0] - px, eye[1] - py, eye[2] - pz)
            gap = shadow_gap(shadow, px, py, pz) - 0.002
            left = np.exp(-30 * gap) if gap > 0 else 1.0
            t_l, t_v = tx * key[0] + ty * key[1] + tz * key[2], tx * vx + ty * vy + tz * vz
            s_l, s_v = np.sqrt(max(0.0, 1 - t_l * t_l)), np.sqrt(max(0.0, 1 - t_v * t_v))
            white = 0.02 * min(1.0, max(0.0, s_l * s_v - (t_l + 0.10) * t_v)) ** 40
            tinted = 0.35 * min(1.0, max(0.0, s_l * s_v - (t_l - 0.16) * t_v)) ** 16
            for channel in range(3):
                own, around = 0.5 * (hair_colour[i, channel] + hair_colour[j, channel]), ambient[i]
                diffuse = own * (1.15 * around + 0.55 * s_l * left * key_colour[channel])
                highlights = key_colour[channel] * left * (white + tinted * own)
                shaded.colour[y, x, channel] = diffuse + highlights + 0.012 * around
            shaded.label[y, x] = strands.label[s]
            nx, ny, nz = _unit(vx - t_v * tx, vy - t_v * ty, vz - t_v * tz)
            shaded.normal[y, x, 0], shaded.normal[y, x, 1], shaded.normal[y, x, 2] = nx, ny, nz


@njit(nogil=True)
def lay_glass(glass, behind, surfaces, faces, eye, lights, colour):
    """Lay faint reflections of lenses, the faces [F, 3] in the z-buffer `glass`, over what lies `behind` them."""
    key, height, width = lights.key, glass.winner.shape[0], glass.winner.shape[1]
    for y in range(height):
        for x in range(width):
            t = glass.winner[y, x]
            if t < 0 or behind.winner[y, x] < 0 or glass.nearest[y, x] <= behind.nearest[y, x]:
                continue
            corners, b, c = (faces[t, 0], faces[t, 1], faces[t, 2]), glass.weight_b[y, x], glass.weight_c[y, x]
            _, _, n, v, n_v = _surface_point(surfaces.vertices, surfaces.normals, corners, b, c, eye)
            share = 0.04 + 0.96 * (1 - n_v) ** 5
            r = _mirrored(n, v, n_v)
            lamp = max(0.0, r[0] * key[0] + r[1] * key[1] + r[2] * key[2]) ** 60
            around = lights.ambient * _reflected_surroundings(0.1, r, lights)
            for channel in range(3):
                reflected = around + 6.0 * lamp * lights.key_colour[channel]
                colour[y, x, channel] = 0.97 * (1 - share) * colour[y, x, channel] + share * reflected
