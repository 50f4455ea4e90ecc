"""One question each: how much load, how many workers, how many sockets, how slow a backend."""
