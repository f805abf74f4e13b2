"""Releases: what serves in production, how it is replaced, checked, recorded and restored."""
