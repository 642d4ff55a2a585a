"""The panels of the Inspect page. Each takes what is open and draws itself; `view` says what is looked at."""
