"""Images at the borders: tensors to bytes and back, reading, writing, compositing, contact sheets.

Inside: float [B, 3, H, W] in [-1, 1].  At the borders: uint8 [H, W, 3] RGB, or [H, W, 4] with straight alpha; both sRGB.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageColor, ImageDraw, ImageFont, ImageOps
from scipy import ndimage
from torch import Tensor

from fullhead.core.colour import NOT_FINITE
from fullhead.core.errors import FullheadError, in_words
from fullhead.io.files import check_suffix, existing_file, written_whole
from fullhead.io.reading import DAMAGED

Bytes = NDArray[np.uint8]

STILL_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
MAX_PIXELS = 2**26  # of a picture that is read
LONGEST_SIDE = {".jpg": 65_535, ".jpeg": 65_535, ".webp": 16_383}  # pixels that the formats can hold
PAPER = (255, 255, 255)  # the colour between the pictures of a sheet
INK = (90, 90, 90)
FRAME_SECONDS = 0.1  # of a frame that does not say how long it is shown


def to_uint8(image: Tensor) -> Bytes:
    """[B, C, H, W] in [-1, 1] (clamped) -> uint8 [B, H, W, C]. FullheadError where they are not finite."""
    if not image.isfinite().all():
        raise FullheadError(NOT_FINITE)
    return ((image.detach().float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def from_uint8(pictures: Bytes) -> Tensor:
    """uint8 [B, H, W, C] -> float32 [B, C, H, W] in [-1, 1]."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def read_image(path: str | Path) -> Bytes:
    """The picture in a file as uint8 [H, W, 3], sRGB by its colour profile, upright (EXIF), transparency laid over white.

    Raises FullheadError when there is no file, or no whole picture in it.
    """
    path = existing_file(path, "an image")
    with _opened(path, str(path), profile=True, upright=True) as picture:
        return _over_white(picture)


def read_pixels(source: Path | bytes, name: str, mode: str = "RGB", *, profile: bool = True) -> Bytes:
    """Pixels of a file, or of its content, as they lie in it, in one of pillow's modes: a texture or a mask. Transparency is
    left out. `name` is told in errors; profile: follow its colour profile. Raises FullheadError."""
    with _opened(source, name, profile=profile, upright=False) as picture:
        return _pixels(picture, mode)


def frame_seconds(path: Path) -> list[float]:
    """How long each frame of a picture is shown; one number for a still one. Raises FullheadError."""
    with _opened(existing_file(path, "an image"), str(path), profile=False, upright=False) as picture:
        frames = range(getattr(picture, "n_frames", 1))
        if len(frames) == 1:
            return [FRAME_SECONDS]
        return [_shown(picture, i) for i in frames]


def _shown(picture: Image.Image, frame: int) -> float:
    picture.seek(frame)
    picture.load()  # some formats tell it only then
    return float(picture.info.get("duration", 0)) / 1000 or FRAME_SECONDS


def read_frames(path: Path) -> Iterator[Bytes]:
    """The frames of a picture that moves, uint8 [H, W, 3], transparency laid over white. Raises FullheadError."""
    with _opened(existing_file(path, "an image"), str(path), profile=False, upright=False) as picture:
        for i in range(getattr(picture, "n_frames", 1)):
            picture.seek(i)
            yield _over_white(picture)


def _over_white(picture: Image.Image) -> Bytes:
    if not picture.has_transparency_data:
        return _pixels(picture, "RGB")
    picture = _in_mode(picture, "RGBA")
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture, mask=picture.getchannel("A"))
    return np.array(white)


@contextmanager
def _opened(source: Path | bytes, name: str, *, profile: bool, upright: bool) -> Iterator[Image.Image]:
    """A picture of a file or of its content, whole, of at most MAX_PIXELS and 8 bits a channel; reads all images.

    What fails in the block, too, is a FullheadError.
    """
    try:
        file = io.BytesIO(source) if isinstance(source, bytes) else source
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning), Image.open(file) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                opened.draft(None, (opened.width // 2, opened.height // 2))  # a JPEG can be read at half its size
            if opened.width * opened.height > MAX_PIXELS:
                raise Image.DecompressionBombError(f"it has {opened.width} x {opened.height} pixels")
            picture = opened
            if upright:
                ImageOps.exif_transpose(picture, in_place=True)
            if picture.mode.startswith("I;16") or picture.mode == "I":  # 16 bits a channel, which pillow would cut off
                picture = Image.fromarray((np.asarray(picture, np.uint32) >> 8).clip(0, 255).astype(np.uint8))
            yield _in_srgb(picture) if profile else picture
    except Image.UnidentifiedImageError as error:
        raise FullheadError(f"{name} is not an image that pillow can read: give a PNG, JPEG or WebP") from error
    except Image.DecompressionBombError as error:
        raise FullheadError(f"{name} is too large ({in_words(error)}): make it smaller than 8000 x 8000 pixels") from error
    except DAMAGED as error:
        raise FullheadError(f"cannot read the image {name} ({in_words(error)}): is the file whole?") from error


def _in_mode(picture: Image.Image, mode: str) -> Image.Image:
    return picture if picture.mode == mode else picture.convert(mode)  # pillow would copy it


def _pixels(picture: Image.Image, mode: str) -> Bytes:
    return np.array(_in_mode(picture, mode))


def _in_srgb(picture: Image.Image) -> Image.Image:
    """The picture with its embedded colour profile applied; one without, or with one that does not fit, is as it was."""
    profile = picture.info.get("icc_profile")
    if not profile:
        return picture
    if picture.mode not in ("L", "RGB", "RGBA", "CMYK", "LAB"):
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    mode = "RGBA" if picture.mode == "RGBA" else "RGB"
    try:
        found = ImageCms.profileToProfile(picture, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError):
        return picture
    return picture if found is None else found


def check_still_path(path: str | Path) -> Path:
    """`path` as a Path if a picture can be written there; call it before the picture is computed."""
    return check_suffix(path, STILL_SUFFIXES, "a picture")


def check_pixels(path: str | Path, height: int, width: int) -> None:
    """Refuse a picture that the format of `path` cannot hold; call it before the picture is computed, too."""
    path = Path(path)
    if max(height, width) > (most := LONGEST_SIDE.get(path.suffix.lower(), max(height, width))):
        raise FullheadError(
            f"{path.name} would have {width} x {height} pixels, and a {path.suffix} at most {most} a side: "
            "write a .png, or ask for fewer or smaller pictures"
        )


def save_image(picture: Bytes, path: str | Path) -> Path:
    """Write uint8 [H, W, 3 or 4] to a .png, .jpg or .webp; JPEG has no transparency and refuses it."""
    path = check_still_path(path)
    suffix = path.suffix.lower()
    if not isinstance(picture, np.ndarray):
        raise FullheadError("save_image takes uint8 [H, W, 3 or 4]: of a rendered image, write to_uint8(image)[0]")
    if picture.shape[-1] == 4 and suffix in (".jpg", ".jpeg"):
        raise FullheadError(f"{path.name}: a JPEG cannot be transparent; write a .png or .webp")
    check_pixels(path, *picture.shape[:2])
    with written_whole(path) as temporary:
        Image.fromarray(picture).save(temporary, compress_level=4, quality=95)  # each format takes its own of the two
    return path


def save_animated_webp(frames: Iterable[Bytes], path: str | Path, fps: float = 30.0, quality: int = 85) -> Path:
    """An endlessly looping animated WebP from frames uint8 [H, W, 3 or 4]; all frames are held in memory."""
    pictures = [Image.fromarray(frame) for frame in frames]
    if not pictures:
        raise FullheadError("an animation needs at least one frame")
    ends = np.round(np.arange(1, len(pictures) + 1) * 1000 / fps).astype(int)  # whole milliseconds that do not drift
    durations = np.diff(ends, prepend=0).tolist()
    with written_whole(path) as temporary:
        pictures[0].save(
            temporary, "WEBP", save_all=True, append_images=pictures[1:], duration=durations, loop=0, quality=quality, method=2
        )
    return Path(path)


def filled(picture: NDArray, known: NDArray[np.bool_]) -> NDArray:
    """A picture [H, W, C] whose pixels that are not known [H, W] have the values of the nearest that is."""
    rows, columns = np.asarray(ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True))
    return picture[rows, columns]


def upsampled_mask(mask: Tensor, height: int, width: int) -> Tensor:
    """Masks [B, 1, R, R] resized to [B, 1, height, width], bilinear and antialiased, in [0, 1]."""
    size = (height, width)
    return torch.nn.functional.interpolate(mask.float(), size, mode="bilinear", antialias=True, align_corners=False).clamp(0, 1)


def composite(image: Tensor, mask: Tensor, background: Tensor) -> Tensor:
    """Lay `image` [B, 3, H, W] over `background` [B or 1, 3, H or 1, W or 1] where `mask` [B, 1, R, R] in [0, 1] is one."""
    alpha = upsampled_mask(mask, *image.shape[-2:]).to(image)
    return alpha * image + (1 - alpha) * background.to(image)


def with_alpha(image: Tensor, mask: Tensor) -> Bytes:
    """Images [B, 3, H, W] and masks [B, 1, R, R] as transparent pictures, uint8 [B, H, W, 4]."""
    alpha = upsampled_mask(mask, *image.shape[-2:]).to(image)
    return to_uint8(torch.cat([image, alpha * 2 - 1], dim=1))


def background_image(name: str, height: int, width: int) -> Tensor:
    """A background [1, 3, height, width] in [-1, 1]: a colour ("white", "#20304a") or an image file that is cut to fit."""
    try:
        colour = ImageColor.getrgb(name)[:3]
        picture = Image.new("RGB", (width, height), colour)
    except ValueError:
        if not Path(name).suffix:
            raise FullheadError(f"no background {name!r}: give a colour (white, #20304a) or an image file") from None
        picture = ImageOps.fit(Image.fromarray(read_image(name)), (width, height), Image.Resampling.LANCZOS)
    return from_uint8(np.asarray(picture)[None])


def contact_sheet(
    rows: Sequence[Sequence[Bytes]], *, gap: int = 4, row_labels: Sequence[str] = (), column_labels: Sequence[str] = ()
) -> Bytes:
    """Pictures of one size, uint8 [H, W, 3], in rows on white paper with `gap` pixels between and around them.

    Rows may be short; what is missing stays paper.  Labels stand to the left of rows and above columns; their type grows
    with the pictures.  Returns uint8 [H_sheet, W_sheet, 3].
    """
    sizes = {picture.shape for row in rows for picture in row}
    if len(sizes) != 1:
        raise FullheadError(f"a sheet needs pictures of one size, not {sorted(sizes) or 'none at all'}")
    height, width = sizes.pop()[:2]
    type_size = max(10, width // 18)
    font = ImageFont.load_default(type_size)
    left = gap + (round(max(font.getlength(label) for label in row_labels)) + gap if row_labels else 0)
    top = gap + (round(type_size * 1.4) if column_labels else 0)
    columns = max(map(len, rows))
    sheet = Image.new("RGB", (left + columns * (width + gap), top + len(rows) * (height + gap)), PAPER)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            sheet.paste(Image.fromarray(picture), (left + j * (width + gap), top + i * (height + gap)))
    draw = ImageDraw.Draw(sheet)
    for i, label in enumerate(row_labels[: len(rows)]):
        draw.text((left - gap, top + i * (height + gap) + height / 2), label, INK, font, anchor="rm")
    for j, label in enumerate(column_labels[:columns]):
        draw.text((left + j * (width + gap) + width / 2, top / 2), label, INK, font, anchor="mm")
    return np.array(sheet)
