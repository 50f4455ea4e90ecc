"""The last look at a new replica before anybody is sent to it: does it answer what it should, as who it should?"""

import json

READY, WHO, PLAIN = PATHS = ("/readyz", "/", "/plaintext")
ANSWER_SECONDS = 2.5  # /readyz decides within 2 s
PAGE_SECONDS = 30  # as long as the contract lets a request take: the first page of a large application loads it first
HELLO = (200, b"Hello, World!")
Answers = dict[str, tuple[int, bytes]]  # path -> (status, body); status 0: nobody answered, and why


def wrong(answers: Answers, service: str, release: str) -> str:
    """Why the replica must not be let in, as the rest of a sentence; empty when it may."""
    for path, (status, body) in answers.items():
        if not status:
            return f"does not answer {path} ({body.decode(errors='replace')})"
        if not 200 <= status < 500 or (path == READY and status != 200):
            return f"answers {path} with {status}"
    identity = said(answers[WHO][1])
    if "app" not in identity and answers[PLAIN] != HELLO:
        return ""  # an application of the user's own has other pages
    name, its_release = identity.get("app"), identity.get("release")
    if (name, its_release) != (service, release):
        return f"says that it is {name} of release {its_release}, not {service} of {release}"
    return "" if answers[PLAIN] == HELLO else f"answers {PLAIN} with {answers[PLAIN][1][:40]!r}"


def said(body: bytes) -> dict:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
