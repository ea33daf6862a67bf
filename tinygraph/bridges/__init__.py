"""Other libraries, each in one file."""
