"""The problem file: what the table looks like, what is forecast, what training and the gate may do."""
