"""What data say of a fit's parameters: errors, intervals, statistics, bands; or in words, why nothing."""
