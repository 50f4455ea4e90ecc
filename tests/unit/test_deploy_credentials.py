"""What nginx/credentials.py answered becomes the command's own sentence and exit code, in both engines."""

from subprocess import CompletedProcess

import pytest

from deploy.credentials import told
from deploy.errors import Refused


def answer(code: int, out: str = "", err: str = "") -> CompletedProcess[str]:
    return CompletedProcess([], code, out, err)


def test_a_certificate_that_was_made_is_told():
    assert told(answer(0, out="credentials: made a certificate for localhost, 90 days\n"))
    assert not told(answer(0, err=" Network x Creating\n"))


@pytest.mark.parametrize(
    ("code", "said", "sentence", "exit_code"),
    [
        (2, "credentials: TLS_CERT expired on 2020-01-01; renew it", "TLS_CERT expired on 2020-01-01; renew it", 2),
        (2, " Volume x Creating\ncredentials: AUTH_USERS_FILE: no\n Removed", "AUTH_USERS_FILE: no", 2),
        (3, "credentials: '/x' cannot be written: No space left", "'/x' cannot be written: No space left", 3),
        (2, "unknown flag: --no-deps", "the certificate cannot be made: unknown flag: --no-deps", 3),
        (1, "Traceback\nOSError: 5", "the certificate cannot be made: OSError: 5", 3),
        (-9, "", "the certificate cannot be made: exit code -9", 3),
    ],
)
def test_a_failure_is_one_sentence(code: int, said: str, sentence: str, exit_code: int):
    with pytest.raises(Refused) as refusal:
        told(answer(code, err=said))

    assert (str(refusal.value), refusal.value.code) == (sentence, exit_code)
