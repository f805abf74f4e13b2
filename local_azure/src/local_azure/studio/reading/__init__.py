"""Reads what pages show, through the functions of the planes' domain and of the pipelines' records."""
