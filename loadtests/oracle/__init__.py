"""Is nothing lost? Requests, sockets and streams at a set rate, each with a name of its own; afterwards what the client
saw, what the edge logged and what the database holds are compared.

    with oracle.Load(url, tls_url, services=("flask", "fastapi"), folder=folder) as load:
        load.mark("kill")
        ...
    verdict = load.verdict(engine.edge_log(since=load.started))
"""

from loadtests.oracle.judge import Judgement, judge
from loadtests.oracle.load import Load

__all__ = ["Judgement", "Load", "judge"]
