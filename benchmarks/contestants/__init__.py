"""Workers: each trains one job with one package, in the environment of that package, and writes a record."""
