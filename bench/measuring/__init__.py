"""Wall time and processor time of commands, alone or around a server."""
