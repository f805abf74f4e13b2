"""Client programs forked from a process that has the slow imports done (`exec --warm`). Experimental; Linux only."""

# Files in the folder of a parent. Here, so that a command that only asks for them imports nothing of the parent.
SECRET, ALIVE, IMPORTED, SOCKET = "secret", "alive", "imported", "socket"
