"""What the exit code of a command says; 0 is success."""

REJECTED = 1  # done, but some records were set aside
USAGE = 2
FATAL = 3
INTERRUPTED = 130
