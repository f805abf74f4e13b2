"""What a command prints: terminal, build agent, failures."""
