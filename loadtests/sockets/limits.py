"""Open files: each connection is one."""

import resource

SPARE = 64  # files a Python process with numpy and an event loop has open anyway, rounded up


def raise_open_files(connections: int) -> str:
    """Raises the soft limit to the hard one; the sentence that says why that is not enough, or an empty one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard == resource.RLIM_INFINITY or connections + SPARE <= hard:
        return ""
    return (
        f"{connections} connections need {connections + SPARE} open files and this process may have {hard}: "
        f"raise the hard limit (ulimit -Hn) or ask for {max(hard - SPARE, 0)} connections"
    )
