"""Who trains the runs of a sweep: each executor behind one protocol, by its name in a registry."""
