"""One file for each kind of data that people bring: image folders, .npz archives, tables."""
