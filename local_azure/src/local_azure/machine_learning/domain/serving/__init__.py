"""Models, the assets that name their files, and web services with their operations."""
