"""Code that runs in separate processes: fork server, steps, scoring."""
