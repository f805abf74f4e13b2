"""What works in the background: steps, schedules, web services."""
