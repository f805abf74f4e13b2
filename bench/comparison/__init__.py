"""The comparison with dvc: who is measured, what one measurement gives, and the table."""
