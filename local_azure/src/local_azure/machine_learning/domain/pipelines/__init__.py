"""Graphs of pipelines: what they consist of and which finished step stands for a new one."""
