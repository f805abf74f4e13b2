"""Documents, statuses and rules of the service, over the store."""
