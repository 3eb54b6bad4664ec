"""What a command may be asked: options with their help, experiment files, environment; one mechanism for all."""
