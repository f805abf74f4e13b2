"""The events beside deployments and candidates: data, runs, gate, approvals, schedules, refusals, exports."""
