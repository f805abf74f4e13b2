"""Whether ledger, runs, models, services, tables and builds tell the same story, and what each of them lacks."""
