"""Emulations of the tasks that a pipeline runs, one module a topic; see registry.py to add one."""
