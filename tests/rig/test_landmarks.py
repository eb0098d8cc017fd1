"""The 68 landmarks: where they lie, on which side, and that they follow identity, expression and pose."""

import numpy as np
import pytest
from scipy import sparse

from fullhead.rig.arkit import arkit_weights
from fullhead.rig.identity import Phenotype, identity
from fullhead.rig.landmarks import ibug_points, landmark_weights
from fullhead.rig.template import Template, load_template

MIRROR = [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31, 45, 44, 43, 42, 47, 46, 39, 38, 37, 36,
          41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]  # fmt: skip


def vertices(template: Template, expression: dict[str, float]) -> np.ndarray:
    """Of the average adult."""
    return template.rig(identity(template, Phenotype(), {})[None], arkit_weights(expression)[None]).vertices[0].numpy()


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template()


@pytest.fixture(scope="module")
def weights(template: Template) -> sparse.csr_matrix:
    return landmark_weights(template)


@pytest.fixture(scope="module")
def average(template: Template) -> np.ndarray:
    return vertices(template, {})


def test_the_table_lies_on_the_average_face(weights: sparse.csr_matrix, average: np.ndarray) -> None:
    assert weights.shape == (68, len(average))
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    assert np.abs(weights @ average - ibug_points()).max() < 0.02  # dm


def test_left_and_right_mirror_each_other(weights: sparse.csr_matrix, average: np.ndarray) -> None:
    points = weights @ average
    np.testing.assert_allclose(points[MIRROR] * [-1, 1, 1], points, atol=0.005)
    assert (points[[0, 17, 36, 48], 0] < -0.2).all()  # the subject's right comes first


def test_a_blink_closes_the_eye_and_an_open_jaw_parts_the_lips(
    template: Template, weights: sparse.csr_matrix, average: np.ndarray
) -> None:
    def moved(name: str) -> np.ndarray:
        return weights @ vertices(template, {name: 1.0})

    def opening(points: np.ndarray, above: list[int], below: list[int]) -> float:
        return float((points[above] - points[below])[:, 1].mean())

    rest, blink, jaw = weights @ average, moved("eyeBlinkLeft"), moved("jawOpen")
    assert opening(blink, [43, 44], [47, 46]) < 0.3 * opening(rest, [43, 44], [47, 46])
    assert opening(blink, [37, 38], [41, 40]) > 0.9 * opening(rest, [37, 38], [41, 40])
    assert opening(jaw, [61, 62, 63], [67, 66, 65]) > opening(rest, [61, 62, 63], [67, 66, 65]) + 0.1
    assert jaw[8, 1] < rest[8, 1] - 0.1
