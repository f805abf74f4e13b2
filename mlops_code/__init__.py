"""What runs on the compute and in the service: step scripts, scoring script, pure forecasting."""
