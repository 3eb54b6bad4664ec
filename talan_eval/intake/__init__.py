"""A request becomes a checked experiment and an assignment: names, data, devices; every mistake is found here."""
