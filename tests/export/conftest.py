"""The head in closed form, for tests."""

import numpy as np
import pytest
import torch

from analytic_head import AnalyticHead
from fullhead.core.tri_mesh import TriMesh
from fullhead.export.mesh import extract_mesh
from fullhead.models.head import Head, Latents


@pytest.fixture
def model() -> AnalyticHead:
    return AnalyticHead()


@pytest.fixture
def latents(model: AnalyticHead) -> Latents:
    return model.sample_latents(3, torch.Generator().manual_seed(4))


@pytest.fixture
def head(model: AnalyticHead, latents: Latents) -> Head:
    return model.decode(latents[0])


@pytest.fixture(scope="session")
def mesh() -> TriMesh[np.ndarray]:
    """The mesh of `head`, made once."""
    model = AnalyticHead()
    return extract_mesh(
        model, model.decode(model.sample_latents(3, torch.Generator().manual_seed(4))[0]), resolution=64, coarse=32
    )
