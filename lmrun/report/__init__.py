"""One HTML page about a run or a comparison: it opens without a network and can be explored."""
