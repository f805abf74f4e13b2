"""What a build agent gives to a job: folders, variables and processes."""
