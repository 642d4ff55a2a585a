"""Training from the app: what is to be trained, the queue of it on the disk, and the processes that do it."""
