"""What a program asks of the harness: the commands as functions, and results that a notebook shows."""
