"""Blobs and leases in the default datastore of a workspace."""
