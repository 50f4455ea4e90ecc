"""The launcher: `python -m serve flask` chooses workers, prints the command and becomes the server."""
