"""Microsoft's schema, what its documentation adds, and how YAML is compared with it."""
