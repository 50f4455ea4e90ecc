import pytest

from deploy.errors import Refused
from deploy.launcher import workers
from deploy.limits import Demand, check


def test_a_sum_that_just_fits_is_taken():
    check({"flask": Demand(replicas=39, workers=1, pool=4)})  # 2 x 195 + 10 = 400


def test_one_connection_too_many_is_refused_with_the_arithmetic():
    with pytest.raises(Refused) as refusal:
        check({"flask": Demand(3, 2, 4), "fastapi": Demand(34, 1, 4)})

    assert str(refusal.value) == (
        "replicas x workers x (DATABASE_POOL + 1) doubled for a release, plus 10, is 410 connections "
        "(flask 3 x 2 x (4 + 1), fastapi 34 x 1 x (4 + 1)); PostgreSQL takes 400: lower replicas, WEB_CONCURRENCY or DATABASE_POOL"
    )
    assert refusal.value.code == 2


@pytest.mark.parametrize(
    ("command", "number"),
    [
        ("python -m gunicorn app:app --workers 4 --threads 8", 4),
        ("granian --workers=3 app:app", 3),
        ("uwsgi --processes 2", 2),
        ("waitress-serve --threads=8 app:app", 1),
    ],
)
def test_workers_are_read_from_the_launchers_own_command(command: str, number: int):
    assert workers(command) == number
