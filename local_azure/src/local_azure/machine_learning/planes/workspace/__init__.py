"""Sign-in, resource manager, compute, environments, secrets."""
