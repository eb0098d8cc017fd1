"""Pictures through tensors, files and sheets."""

import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from fullhead.core.colour import to_bytes
from fullhead.core.errors import FullheadError
from fullhead.io.images import (
    background_image,
    check_pixels,
    composite,
    contact_sheet,
    filled,
    from_uint8,
    read_image,
    read_pixels,
    save_animated_webp,
    save_image,
    to_uint8,
    with_alpha,
)


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def test_bytes_survive_the_way_through_a_tensor():
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=-1)
    np.testing.assert_array_equal(to_uint8(from_uint8(every)), every)


def test_values_outside_the_range_are_clamped():
    image = torch.tensor([-7.0, -1.0, 0.0, 1.0, 7.0]).reshape(1, 1, 1, 5)
    assert to_uint8(image).ravel().tolist() == [0, 0, 128, 255, 255]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_colours_that_are_not_finite_are_no_picture(bad):
    values = np.zeros((1, 3, 2, 2), np.float32)
    values[0, 1, 1, 0] = bad
    for to in (lambda v: to_uint8(torch.from_numpy(v)), to_bytes):
        with pytest.raises(FullheadError, match=r"not finite.*weights are broken"):
            to(values)


@pytest.mark.parametrize("channels", [3, 4])
def test_a_png_is_read_back_as_it_was(tmp_path, photo, channels):
    picture = np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)])[..., :channels]
    np.testing.assert_array_equal(read_image(save_image(picture, tmp_path / "new" / "photo.png")), photo)


def test_exif_orientation_is_applied(tmp_path, photo):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to see it upright
    Image.fromarray(photo).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "turned.png"), np.rot90(photo, -1))


def test_transparency_is_laid_over_white_and_other_modes_become_rgb(tmp_path):
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (read_image(tmp_path / "clear.png") == 255).all()
    Image.new("L", (4, 4), 77).save(tmp_path / "grey.png")
    assert (read_image(tmp_path / "grey.png") == 77).all()
    Image.fromarray(np.full((4, 4), 40000, np.uint16)).save(tmp_path / "deep.png")
    assert (read_image(tmp_path / "deep.png") == 40000 >> 8).all()
    skin = Image.new("RGB", (4, 4), (200, 140, 110))
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    ImageCms.applyTransform(skin, to_lab).save(tmp_path / "lab.tif")
    skin.convert("CMYK").save(tmp_path / "cmyk.tif")
    for name in ("lab.tif", "cmyk.tif"):
        np.testing.assert_allclose(read_image(tmp_path / name)[0, 0], [200, 140, 110], atol=2)


P3 = np.array([[0.51512, 0.29198, 0.1571], [0.2412, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
BOMB = b"\x89PNG\r\n\x1a\n" + b"".join(
    struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    for kind, data in ((b"IHDR", struct.pack(">IIBBBBB", 2**31 - 1, 5000, 8, 2, 0, 0, 0)), (b"IDAT", b""))
)
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.7141]])


def p3_profile(gamma: float) -> bytes:
    """A colour profile of Display P3's primaries, as phones embed one."""

    def numbers(values) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    tags = {b"wtpt": b"XYZ " + bytes(4) + numbers([0.9642, 1.0, 0.8249])}
    tags |= {letter + b"XYZ": b"XYZ " + bytes(4) + numbers(P3[:, k]) for k, letter in enumerate((b"r", b"g", b"b"))}
    tags |= {letter + b"TRC": curve for letter in (b"r", b"g", b"b")}
    place, table, data = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += name + struct.pack(">II", place + len(data), len(content))
        data += content
    header = struct.pack(">I4sI", place + len(data), bytes(4), 0x02400000) + b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28)
    return header + numbers([0.9642, 1.0, 0.8249]) + bytes(48) + table + data


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_photo_is_converted_by_its_colour_profile(tmp_path, mode):
    skin = np.array([200, 140, 110], np.uint8)
    picture = Image.fromarray(np.tile(skin, (4, 4, 1)))
    picture = picture.quantize(4) if mode == "P" else picture.convert(mode)
    picture.save(tmp_path / "phone.png", icc_profile=p3_profile(2.2))
    linear = np.linalg.inv(SRGB) @ P3 @ (skin / 255) ** 2.2
    expected = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(expected - skin).max() > 8
    np.testing.assert_allclose(read_image(tmp_path / "phone.png")[0, 0], expected, atol=1)


def test_a_profile_that_is_damaged_or_of_other_channels_changes_nothing(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "odd.png", icc_profile=b"no profile")
    np.testing.assert_array_equal(read_image(tmp_path / "odd.png"), photo)
    Image.new("L", (4, 4), 77).save(tmp_path / "grey.png", icc_profile=p3_profile(2.2))
    assert (read_image(tmp_path / "grey.png") == 77).all()


def test_a_picture_of_too_many_pixels_is_refused_and_a_jpeg_read_smaller(tmp_path, photo, monkeypatch):
    monkeypatch.setattr("fullhead.io.images.MAX_PIXELS", 599)
    save_image(photo, tmp_path / "photo.png")
    with pytest.raises(FullheadError, match=r"too large .it has 30 x 20 pixels"):
        read_image(tmp_path / "photo.png")
    assert read_image(save_image(photo, tmp_path / "photo.jpg")).shape == (10, 15, 3)


def test_pixels_are_read_by_their_profile_from_a_file_or_its_content_without_their_transparency(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "phone.png", icc_profile=p3_profile(2.2))
    expected = read_image(tmp_path / "phone.png")
    assert (expected != photo).any()
    np.testing.assert_array_equal(read_pixels(tmp_path / "phone.png", "it"), expected)
    data = (tmp_path / "phone.png").read_bytes()
    np.testing.assert_array_equal(read_pixels(data, "it"), expected)
    np.testing.assert_array_equal(read_pixels(data, "it", profile=False), photo)
    clear = save_image(np.dstack([photo, np.zeros_like(photo[..., 0])]), tmp_path / "clear.png")
    np.testing.assert_array_equal(read_pixels(clear, "it"), photo)
    for bad, says in ((b"no image", "it is not an image"), (data[:300], "cannot read the image it"), (BOMB, "it is too large")):
        with pytest.raises(FullheadError, match=says):
            read_pixels(bad, "it")


def test_what_is_no_image_is_refused_in_one_line(tmp_path, photo):
    (tmp_path / "text.jpg").write_text("no image")
    save_image(photo, tmp_path / "photo.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "photo.png").read_bytes()[:900])
    for name, says in [
        ("text.jpg", "is not an image"),
        ("half.png", "is the file whole"),
        ("none.png", "no an image|no image"),
    ]:
        with pytest.raises(FullheadError, match=says) as refusal:
            read_image(tmp_path / name)
        assert "\n" not in str(refusal.value)


def test_a_picture_with_an_unknown_suffix_lists_the_valid_ones(tmp_path, photo):
    with pytest.raises(FullheadError, match=r"'photo.bmp': choose one of .png, .jpg"):
        save_image(photo, tmp_path / "photo.bmp")
    with pytest.raises(FullheadError, match="cannot be transparent"):
        save_image(np.zeros((2, 2, 4), np.uint8), tmp_path / "photo.jpg")
    with pytest.raises(FullheadError, match="to_uint8"):
        save_image(torch.zeros(1, 3, 4, 4), tmp_path / "a.png")  # type: ignore[arg-type]


def test_an_animated_webp_keeps_its_frames_and_its_time(tmp_path):
    frames = [np.full((16, 16, 3), 10 * i, np.uint8) for i in range(7)]
    with Image.open(save_animated_webp(frames, tmp_path / "turn.webp", fps=30)) as read:
        durations = []
        for i in range(read.n_frames):
            read.seek(i)
            read.load()
            durations.append(read.info["duration"])
            assert abs(np.asarray(read.convert("RGB")).astype(int) - 10 * i).max() < 6
    assert len(durations) == 7
    assert sum(durations) == round(7000 / 30)
    with pytest.raises(FullheadError, match="at least one frame"):
        save_animated_webp([], tmp_path / "none.webp")


def test_composite_keeps_what_is_masked_and_shows_the_background_elsewhere():
    image, background = torch.full((2, 3, 8, 8), 0.5), background_image("white", 1, 1)
    mask = torch.zeros(2, 1, 4, 4)
    mask[..., 2:] = 1
    result = composite(image, mask, background)
    assert (result[..., 7] == 0.5).all()
    assert (result[..., 0] == 1).all()
    assert ((result[..., 3] > 0.5) & (result[..., 3] < 1)).all()  # the edge is smooth
    pictures = with_alpha(image, mask)
    assert pictures.shape == (2, 8, 8, 4)
    assert pictures[0, 0, 0].tolist() == [191, 191, 191, 0]
    assert pictures[0, 0, 7, 3] == 255


def test_a_background_is_a_colour_or_a_picture(tmp_path, photo):
    assert to_uint8(background_image("#20304a", 2, 3))[0, 0, 0].tolist() == [0x20, 0x30, 0x4A]
    assert background_image(str(save_image(photo, tmp_path / "wall.png")), 12, 12).shape == (1, 3, 12, 12)
    with pytest.raises(FullheadError, match="no background 'whit': give a colour"):
        background_image("whit", 2, 2)
    with pytest.raises(FullheadError, match=r"at .*gone\.png"):
        background_image(str(tmp_path / "gone.png"), 2, 2)


def test_a_sheet_has_its_pictures_in_rows_with_gaps(photo):
    sheet = contact_sheet([[photo, photo], [photo]], gap=3)
    assert sheet.shape == (3 + 2 * 23, 3 + 2 * 33, 3)
    np.testing.assert_array_equal(sheet[3:23, 36:66], photo)
    np.testing.assert_array_equal(sheet[26:46, 3:33], photo)
    assert (sheet[26:, 36:] == 255).all()  # the short row
    assert (sheet[:3] == 255).all()


def test_labels_take_room_and_leave_the_pictures_whole(photo):
    sheet = contact_sheet([[photo]], gap=3, row_labels=["seed 7"], column_labels=["0°"])
    np.testing.assert_array_equal(sheet[-23:-3, -33:-3], photo)
    assert sheet.shape[0] > 26
    assert sheet.shape[1] > 36
    assert (sheet[:-23] < 200).any()
    assert (sheet[:, :-33] < 200).any()


def test_a_sheet_of_unequal_pictures_is_refused(photo):
    with pytest.raises(FullheadError, match="one size"):
        contact_sheet([[photo, photo[:5]]])
    with pytest.raises(FullheadError, match="none at all"):
        contact_sheet([])


def test_what_is_not_known_takes_the_nearest_known_pixel():
    rng = np.random.default_rng(0)
    picture, known = rng.integers(0, 255, (9, 7, 3)), rng.random((9, 7)) < 0.3
    result = filled(picture, known)
    places = np.argwhere(known)
    for place in np.ndindex(9, 7):
        distance = np.linalg.norm(places - place, axis=1)
        nearest = places[distance == distance.min()]
        assert any((result[place] == picture[tuple(other)]).all() for other in nearest)


def test_a_picture_larger_than_its_format_can_hold_is_refused_in_words(tmp_path):
    check_pixels(tmp_path / "a.png", 1, 70_000)
    for name, most in (("a.webp", 16_383), ("a.jpg", 65_535), ("a.JPEG", 65_535)):
        check_pixels(tmp_path / name, most, most)
        with pytest.raises(FullheadError, match=rf"{name} would have 2 x {most + 1} pixels, and a .* at most {most} a side"):
            save_image(np.zeros((most + 1, 2, 3), np.uint8), tmp_path / name)
    assert not list(tmp_path.iterdir())
