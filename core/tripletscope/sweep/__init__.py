"""Many trainings at once: strategies x seeds x settings from one TOML file, in processes of their own.

`plan` reads the file, `folder` keeps what is finished, `crew` and `worker` do it, `table` has the numbers. Nothing
here trains in another way than `tripletscope train`: a cell of a sweep is a run whose numbers are kept.
"""
