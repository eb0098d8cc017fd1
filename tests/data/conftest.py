"""The rigs that tests of scans share, and a small set of scans."""

from pathlib import Path

import pytest

from fullhead.rig.cube import CubeRig, template_in_cube
from fullhead.rig.template import Template, load_template
from small_scans import write_synth


@pytest.fixture(scope="session")
def template() -> Template:
    return load_template()


@pytest.fixture(scope="session")
def cube(template: Template) -> CubeRig:
    return template_in_cube(template, shapes=30)


@pytest.fixture(scope="session")
def synth_scans(tmp_path_factory: pytest.TempPathFactory, template: Template, cube: CubeRig) -> Path:
    """As `fullhead synth scans --raw` writes them: three subjects, two scans each."""
    return write_synth(tmp_path_factory.mktemp("synth"), template, cube)
