"""Blobs, artifacts, datastores, datasets and snapshots."""
