"""Runs cells: ``cell`` trains and evaluates one run in this process, ``local`` spreads runs over worker processes."""
