"""Exit codes of the command line; `exec` ends with the code of its command instead."""

FAILED = 1
USAGE = 2
REFUSED = 3
TIMED_OUT = 124
NOT_FOUND = 127
CANCELED = 130
