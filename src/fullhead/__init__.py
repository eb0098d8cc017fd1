"""360-degree human heads in 3D: generate, fit to a photo, export.

    import fullhead

    model = fullhead.load("panohead-demo")
    head = model.decode(model.seed_latents([7]))
    image = model.render(head, fullhead.orbit(yaw=0.5)).image  # [1, 3, H, W] in [-1, 1]
    fullhead.save_mesh(fullhead.extract_mesh(model, head), "head.glb")

Names are imported when they are first used, so that `import fullhead` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fullhead.convert.snapshots import convert_checkpoint as convert_checkpoint
    from fullhead.core.cameras import Cameras as Cameras
    from fullhead.core.cameras import orbit as orbit
    from fullhead.core.errors import FullheadError as FullheadError
    from fullhead.data.align import align_photos as align_photos
    from fullhead.data.camera_files import read_cameras as read_cameras
    from fullhead.data.camera_files import write_cameras as write_cameras
    from fullhead.data.options import AlignOptions as AlignOptions
    from fullhead.export.mesh import extract_mesh as extract_mesh
    from fullhead.export.mesh import save_mesh as save_mesh
    from fullhead.export.rigged_files import posed_mesh as posed_mesh
    from fullhead.export.rigged_files import save_rigged as save_rigged
    from fullhead.export.rigged_ganhead import rig_ganhead as rig_ganhead
    from fullhead.export.rigged_person import rigged_head as rigged_head
    from fullhead.eyes.readers import read as read
    from fullhead.families.opening import load as load
    from fullhead.families.opening import open_model as open_model
    from fullhead.fitting.invert import invert_photo as invert_photo
    from fullhead.fitting.options import InvertConfig as InvertConfig
    from fullhead.io.images import contact_sheet as contact_sheet
    from fullhead.io.images import read_image as read_image
    from fullhead.io.images import save_image as save_image
    from fullhead.io.images import to_uint8 as to_uint8
    from fullhead.io.video import save_video as save_video
    from fullhead.models.checkpoint import save as save
    from fullhead.models.head import HeadPose as HeadPose
    from fullhead.models.head import Latents as Latents
    from fullhead.models.head import RenderOptions as RenderOptions
    from fullhead.synth.datasets.options import PhotosOptions as PhotosOptions
    from fullhead.synth.datasets.photos import write_photos as write_photos
    from fullhead.viewing.animate import animate as animate
    from fullhead.viewing.draw_mesh import draw_mesh as draw_mesh
    from fullhead.viewing.sheet import sheet as sheet
    from fullhead.viewing.turntable import turntable_cameras as turntable_cameras

_HOMES = {
    "AlignOptions": "data.options",
    "Cameras": "core.cameras",
    "FullheadError": "core.errors",
    "HeadPose": "models.head",
    "InvertConfig": "fitting.options",
    "Latents": "models.head",
    "PhotosOptions": "synth.datasets.options",
    "RenderOptions": "models.head",
    "align_photos": "data.align",
    "animate": "viewing.animate",
    "contact_sheet": "io.images",
    "convert_checkpoint": "convert.snapshots",
    "draw_mesh": "viewing.draw_mesh",
    "extract_mesh": "export.mesh",
    "invert_photo": "fitting.invert",
    "load": "families.opening",
    "open_model": "families.opening",
    "orbit": "core.cameras",
    "posed_mesh": "export.rigged_files",
    "read": "eyes.readers",
    "read_cameras": "data.camera_files",
    "read_image": "io.images",
    "rig_ganhead": "export.rigged_ganhead",
    "rigged_head": "export.rigged_person",
    "save": "models.checkpoint",
    "save_image": "io.images",
    "save_mesh": "export.mesh",
    "save_rigged": "export.rigged_files",
    "save_video": "io.video",
    "sheet": "viewing.sheet",
    "to_uint8": "io.images",
    "turntable_cameras": "viewing.turntable",
    "write_cameras": "data.camera_files",
    "write_photos": "synth.datasets.photos",
}

__version__ = "0.1.0"
__all__ = ["__version__", *_HOMES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"fullhead has no {name!r}; it has {', '.join(_HOMES)}")
    return getattr(import_module(f"fullhead.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
