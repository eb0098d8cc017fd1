"""The bare head: what the template knows of it, its regions, scalp, skin, eyes and teeth, and the meshes they are made of."""
