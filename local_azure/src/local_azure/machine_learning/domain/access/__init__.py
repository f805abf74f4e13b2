"""Who calls and where the server answers: tokens, signatures, addresses."""
