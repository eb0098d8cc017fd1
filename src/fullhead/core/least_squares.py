"""Least squares within bounds."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import lsq_linear


def bounded_solution(hessian: NDArray, target: NDArray, low: NDArray, high: NDArray) -> NDArray:
    """The x in [low, high] with the least of x hessian x / 2 - target x."""
    root = np.linalg.cholesky(hessian).T  # as least squares: |root x - root^-T target|
    return lsq_linear(root, solve_triangular(root.T, target, lower=True), (low, high), method="bvls").x
