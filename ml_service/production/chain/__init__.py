"""The append-only sequence of entries under the deployment ledger: their form, their storage, their migration."""
