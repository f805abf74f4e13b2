"""Registered models: versions, the champion among them, registration and promotion."""
