"""An emulation of Azure DevOps' REST API for the runs on this machine: records in its format, served on loopback."""
