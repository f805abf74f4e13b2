"""The database, the blobs and the state folder."""
