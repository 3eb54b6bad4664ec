"""A recipe as it is asked for, the memory that it takes, and the cheapest change that fits."""
