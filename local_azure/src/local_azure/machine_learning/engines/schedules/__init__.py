"""When schedules fire, and the task that fires them."""
