"""The audit export: one file with events, documents and a page, and with what proves that none of it was changed."""
