"""The only training loop, and what surrounds it: schedule, stopping rules, checkpoints, progress."""
