"""Who may see the studio: one-time addresses, sessions, and the gate in front of every page."""
