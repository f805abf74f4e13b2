"""What Azure DevOps would tell of the runs on this machine: records in its own forms, served on loopback."""
