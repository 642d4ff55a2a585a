"""A desk: one process for each person's own embeddings, which reads the file and answers what is asked about it.

A file that nobody here has made is read over there. Should it be too much for the process, the page stays alive and
says so, and nobody else is touched. `client.Desk` is the server's end; a question is a function with the decorator
`held.question` in a file of this folder.
"""
