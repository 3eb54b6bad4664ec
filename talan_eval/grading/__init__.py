"""Pure graders: text in, a five-valued verdict out. They read no file, start no process and never raise on any text."""
