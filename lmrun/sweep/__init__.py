"""Many runs of one config: what they are, who trains them, which go on, and where it all stands."""
