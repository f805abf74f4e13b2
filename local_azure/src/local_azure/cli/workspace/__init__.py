"""What the command line asks a running server about workspaces and runs."""
