"""The command line of local_azure."""
