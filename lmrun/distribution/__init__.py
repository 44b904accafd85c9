"""One fit by many workers: each holds a share of the rows, and sums over all of them are the same everywhere."""
