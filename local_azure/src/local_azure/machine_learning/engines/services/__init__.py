"""Runs deployed web services."""
