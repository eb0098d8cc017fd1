"""The head in closed form, for tests."""

from analytic_head import head, latents, mesh, model  # noqa: F401
