"""Registered models and web services."""
