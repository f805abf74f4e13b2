"""One training run: submitting it, following it, reading its outcome, and what people are told of it."""
