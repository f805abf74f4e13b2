"""Run an expanded pipeline on this machine."""
