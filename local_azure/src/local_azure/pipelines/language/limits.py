"""What a pipeline of a stranger may cost. Each cap is described in docs/limits.md; above it the file is refused."""

# One file, or one value of the command line.
MOST_FILE_BYTES = 1024 * 1024
MOST_FILE_NODES = 100_000
MOST_DEPTH = 100
# Expressions; the service has the same limits.
MOST_EXPRESSION_CHARACTERS = 21_000
MOST_EXPRESSION_DEPTH = 50
MOST_DIGITS = 200
# Templates; the service has the same limits.
MOST_FILES = 100
MOST_TEMPLATE_LEVELS = 100
# The expansion: steps of work, of which each node, loop turn and 100 characters cost one; and one text of it.
MOST_EXPANSION_WORK = 200_000
MOST_TEXT_CHARACTERS = 1024 * 1024
MOST_SEPARATORS = 100
# Directives and templates inside each other, on the way to one value.
MOST_NESTING = 500
# The expanded pipeline.
MOST_JOBS = 1_000
MOST_VARIABLES = 5_000
# Faults that are reported of one pipeline.
MOST_FAULTS = 300
