"""Delivered files: which are read, which become data versions, and which wait in quarantine for a person."""
