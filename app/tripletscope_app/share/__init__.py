"""A recorded run as one file that opens by double click: no server, no network, the same instrument."""
