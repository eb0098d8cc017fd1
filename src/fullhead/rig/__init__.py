"""Posable heads: the CC0 template with its identities and 52 expressions, FLAME from the user's file, maps between them."""
