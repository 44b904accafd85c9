"""Groups of runs against each other: statistics over seeds, time to targets, a verdict."""
