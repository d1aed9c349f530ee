"""What a network is pulled towards: one idea a file, each a pure function."""
