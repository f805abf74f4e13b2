"""What an approver or an auditor reads: history, status, the summary of a run, retention."""
