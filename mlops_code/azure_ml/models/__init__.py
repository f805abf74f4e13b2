"""Registered models: versions, the champion among them, registration, and the move of the champion."""
