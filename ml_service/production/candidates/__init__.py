"""The lifecycle of candidates: model versions that the gate has accepted, from acceptance to release or refusal."""
