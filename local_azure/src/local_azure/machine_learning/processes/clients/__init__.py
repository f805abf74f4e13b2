"""Client programs forked from a process that has the slow imports done (`exec --warm`). Experimental; Linux only."""
