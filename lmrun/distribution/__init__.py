"""One fit by many workers: each holds a share of the rows, and all are given the same sums."""
