"""One file for each check; every file here is loaded by `tripletscope.inspection`."""
