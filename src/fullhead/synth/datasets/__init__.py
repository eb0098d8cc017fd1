"""Recipes of whole sets: photos, many views of expressions, clips, and scans."""
