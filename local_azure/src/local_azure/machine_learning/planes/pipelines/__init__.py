"""Modules, graphs, pipeline runs, published pipelines, schedules."""
