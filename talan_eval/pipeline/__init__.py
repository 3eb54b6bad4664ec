"""One sitting from a request to its reports, and the graded answers that reports show."""
