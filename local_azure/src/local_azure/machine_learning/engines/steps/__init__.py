"""Runs the steps of pipelines and single scripts as processes of this machine.

`executor` starts, cancels and recovers all runs of a server; `pipeline_run` walks one graph, `step_run` runs one of
its steps or finds an earlier one that stands for it; `script_run` runs a script outside of any pipeline. `job` is
the process of one step: `data_locations` and `mounts` give it its data, `arguments` its command line and variables,
`run_log` its log; `launcher` starts it.
"""
