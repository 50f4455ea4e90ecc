"""tests.logs: a log is read while it is written."""

import pytest

from tests import logs

WHOLE = '{"uri":"/a","status":200}'


@pytest.mark.parametrize("end", ["", "\n", *(WHOLE[:length] for length in range(1, len(WHOLE)))])
@pytest.mark.parametrize("name", ["", "nginx-1  | ", "fastapi-2 | "])
def test_half_a_line_is_no_object_yet(name: str, end: str):
    assert logs.objects(f"{name}{WHOLE}\nserve: {{}} is no log line\n{name}{end}") == [{"uri": "/a", "status": 200}]
