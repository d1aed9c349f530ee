"""What is on disk: every data set becomes one table of records."""
