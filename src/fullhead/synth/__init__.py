"""Procedural heads: subjects sampled from seeds, grown, painted, lit and photographed, with exact labels."""
