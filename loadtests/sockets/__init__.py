"""WebSockets in numbers: one process that holds thousands of connections and times every message."""
