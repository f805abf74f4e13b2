"""Routes of the REST planes, one module a plane: parse, call the domain, shape the answer."""
