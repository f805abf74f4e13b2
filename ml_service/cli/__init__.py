"""The command line: one verb a function, and what every verb starts with."""
