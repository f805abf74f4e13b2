"""Blobs, artifacts, datastores, datasets, snapshots."""
