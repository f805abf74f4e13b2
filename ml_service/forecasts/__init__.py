"""Forecasts of all series at once: a table from a model or a service, and the pipeline that writes one."""
