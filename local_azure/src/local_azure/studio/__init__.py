"""The studio: pages for browsers, which read through the functions of the planes and of the pipelines' records.

An importable ASGI application on a port of its own, so that no file of a run ever has its origin. Nothing imports it
but the composition root, `local_azure/server.py`.
"""
