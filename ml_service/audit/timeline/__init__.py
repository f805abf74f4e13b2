"""What served when, and what happened to one model, as the ledger tells it."""
