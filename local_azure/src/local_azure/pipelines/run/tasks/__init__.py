"""Emulations of the tasks that a pipeline runs. To add one, write a module here and list its tasks in steps.py."""
