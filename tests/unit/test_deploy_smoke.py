"""What a new replica has to answer before anybody is sent to it."""

import json

import pytest

from deploy.smoke import PLAIN, READY, WHO, wrong


def answers(**changed: tuple[int, bytes]) -> dict[str, tuple[int, bytes]]:
    who = json.dumps({"app": "flask", "release": "v2"}).encode()
    sound = {"ready": (200, b"{}"), "who": (200, who), "plain": (200, b"Hello, World!")}
    paths = {"ready": READY, "who": WHO, "plain": PLAIN}
    return {paths[name]: answer for name, answer in (sound | changed).items()}


def test_who_answers_as_it_should_is_let_in():
    assert wrong(answers(), "flask", "v2") == ""


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"ready": (503, b"")}, "answers /readyz with 503"),
        ({"ready": (404, b"")}, "answers /readyz with 404"),
        ({"who": (500, b"")}, "answers / with 500"),
        ({"who": (0, b"timed out")}, "does not answer / (timed out)"),
        ({"who": (200, b'{"app": "flask", "release": "v1"}')}, "says that it is flask of release v1, not flask of v2"),
        ({"who": (200, b'{"app": "django", "release": "v2"}')}, "says that it is django of release v2"),
        ({"who": (404, b"")}, "says that it is None"),
        ({"plain": (200, b"Hello, Ponte!")}, "answers /plaintext with b'Hello, Ponte!'"),
        ({"plain": (404, b"")}, "answers /plaintext with b''"),
    ],
)
def test_who_does_not_is_told_what_is_wrong(changed: dict, said: str):
    assert said in wrong(answers(**changed), "flask", "v2")


@pytest.mark.parametrize(
    "page", [(200, b"<h1>Shop</h1>"), (200, b'["a", "b"]'), (404, b"not here"), (401, b""), (302, b"")]
)
def test_an_application_with_other_pages_is_asked_only_whether_it_works(page: tuple[int, bytes]):
    assert wrong(answers(who=page, plain=(404, b"")), "flask", "v2") == ""
    assert wrong(answers(who=page, plain=(502, b"")), "flask", "v2") == "answers /plaintext with 502"
