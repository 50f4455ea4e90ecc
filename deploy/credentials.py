"""What nginx/credentials.py answered, wherever an engine ran it."""

from subprocess import CompletedProcess

from deploy.errors import Refused, impossible

BAD_INPUT = 2
PREFIX = "credentials: "  # of its own lines; Docker's may stand among them


def told(done: CompletedProcess[str]) -> bool:
    """True when a certificate was made, so that a running nginx has to be told; its refusal ends the command."""
    if not done.returncode:
        return "made" in done.stdout
    lines = done.stderr.strip().splitlines()
    said = [line.removeprefix(PREFIX) for line in lines if line.startswith(PREFIX)]
    if said:
        raise Refused(said[-1]) if done.returncode == BAD_INPUT else impossible(said[-1])
    raise impossible(f"the certificate cannot be made: {lines[-1] if lines else f'exit code {done.returncode}'}")
