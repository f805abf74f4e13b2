"""Code that runs in processes of its own: fork server, steps, scoring."""
