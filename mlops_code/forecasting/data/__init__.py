"""Read a delivered table, check it against its contract and make regular daily series of it."""
