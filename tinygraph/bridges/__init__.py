"""The connections to other libraries, one file for each library."""
