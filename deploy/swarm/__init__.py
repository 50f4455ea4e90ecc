"""What the Swarm engine needs beside deploy/compose: a stack rendered from compose.yaml, secrets, tasks, releases."""
