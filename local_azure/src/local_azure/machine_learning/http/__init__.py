"""From a socket to a handler: listeners, guard, router, sign-in, answers."""
