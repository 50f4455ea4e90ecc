"""Requests that fit the contract and requests that do not: see promise.md."""

from copy import deepcopy
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.configuration import set_hypothesis_home_dir
from schemathesis import GenerationMode, checks
from schemathesis.core.failures import FailureGroup

from tests.apps import quickly
from tests.contract import ASGI, EACH_SERVER, NAMES, ROOT
from tests.engine import Stack
from tests.promises.api_fuzz.contract import ANSWERS, SMALL, Json, contract

set_hypothesis_home_dir(ROOT / ".run" / "tests" / "hypothesis")  # not beside the Makefile
CHECKS = [checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance]
LARGEST_THAT_FITS = 30_000
ENDLESS = ("GET /events",)  # of ASGI services
NEVER_WRONG = ("POST /echo", "POST /digest")  # any bytes fit
NOT_REFUSED = (404, 426, 501)  # no such job, and what a plain GET or a WSGI server cannot have
MODES = {"fits": GenerationMode.POSITIVE, "does not fit": GenerationMode.NEGATIVE}
# (!) derandomize: the same requests in each run. No database: nothing is kept beside the checkout.
SAME = settings(
    derandomize=True, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


def quick(case: Any) -> bool:
    given_ = {**(case.query or {}), **(case.body if isinstance(case.body, dict) else {})}
    if isinstance(given_.get("ms"), float):
        return False  # 1.0 is an integer to JSON Schema, and not to us: 422
    return not any(limit < number(given_.get(name)) <= LARGEST_THAT_FITS for name, limit in SMALL.items())


def hurried(case: Any) -> Any:
    """(!) Who asks for new messages without saying for how long waits 20 s; a key belongs to one message."""
    if case.operation.label == "GET /poll":
        case.query = {"timeout": 0, **(case.query or {})}
    if "Idempotency-Key" in (case.headers or {}) and case.meta.generation.mode.is_positive:
        case.headers["Idempotency-Key"] = str(uuid5(NAMESPACE_URL, repr(case.body)))
    return case


def number(value: object) -> float:
    try:
        return float(str(value[0] if isinstance(value, list) else value))
    except (ValueError, IndexError):
        return -1


def conforms(case: Any, base: str, session: requests.Session, fits: bool) -> None:
    answer = case.call(base_url=base, session=session, timeout=10)

    status = answer.status_code
    assert status < 500 or status in (501, 503), f"{status}: {answer.text}"
    assert status < 400 or status in NOT_REFUSED or not fits, f"refused although it fits, {status}: {answer.text}"
    case.validate_response(answer, checks=CHECKS)


def found_wrong(schema: Json, base: str, mode: str, examples: int, only: tuple[str, ...] = ()) -> dict[str, str]:
    """Operation -> what is wrong with the first answer that does not conform."""
    wrong = {}
    with requests.Session() as session:
        for operation in operations(schema, mode, only or tuple(schema_labels(schema))):

            @settings(SAME, max_examples=examples)
            @given(case=operation.as_strategy(generation_mode=MODES[mode]).filter(quick).map(hurried))
            def ask(case: Any) -> None:
                conforms(case, base, session, fits=mode == "fits")

            try:
                ask()
            except (AssertionError, FailureGroup) as failure:
                wrong[operation.label] = said(failure)
    return wrong


def said(failure: BaseException) -> str:
    return "; ".join(str(each) for each in getattr(failure, "exceptions", [failure]))


def schema_labels(schema: Json) -> list[str]:
    return [f"{method.upper()} {path}" for path, methods in schema["paths"].items() for method in methods]


def operations(schema: Json, mode: str, labels: tuple[str, ...]) -> list[Any]:
    """A request that does not fit needs something to be wrong in."""
    found = [each.ok() for each in schemathesis.openapi.from_dict(schema).get_all_operations()]
    can_be_wrong = [
        each for each in found if (each.query or each.body or each.headers) and each.label not in NEVER_WRONG
    ]
    return [each for each in (found if mode == "fits" else can_be_wrong) if each.label in labels]


def asked(schema: Json, service: str) -> tuple[str, ...]:
    return tuple(label for label in schema_labels(schema) if service not in ASGI or label not in ENDLESS)


@pytest.fixture(scope="module")
def schema(stack: Stack) -> Json:
    """(!) Asked of the application that knows it, for all of them."""
    return contract(httpx.get(f"{stack.url}/fastapi/openapi.json").json())


def test_every_route_of_the_contract_is_described(schema: Json) -> None:
    assert set(ANSWERS) <= set(schema_labels(schema))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("service", quickly(EACH_SERVER, NAMES))
def test_a_handful_of_requests_finds_nothing(stack: Stack, schema: Json, service: str, mode: str) -> None:
    assert found_wrong(schema, f"{stack.url}/{service}", mode, 3, asked(schema, service)) == {}


@pytest.mark.full
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("service", NAMES)
def test_many_requests_find_nothing(stack: Stack, schema: Json, service: str, mode: str) -> None:
    assert found_wrong(schema, f"{stack.url}/{service}", mode, 25, asked(schema, service)) == {}


MUTATIONS = [
    ("GET /json", ("200",), {"description": "", "content": {"text/html": {}}}),
    ("GET /session", ("200", "content", "application/json", "schema", "properties", "visits"), {"type": "string"}),
    ("POST /digest", ("200", "content", "application/json", "schema", "required"), ["bytes", "sha256", "md5"]),
    ("GET /messages", ("200", "content", "application/json", "schema", "properties", "messages"), {"type": "object"}),
]


@pytest.mark.full
@pytest.mark.parametrize(("label", "path", "value"), MUTATIONS)
@pytest.mark.parametrize("service", NAMES)
def test_an_answer_of_another_shape_is_caught(
    stack: Stack, schema: Json, service: str, label: str, path: tuple[str, ...], value: object
) -> None:
    method, _, route = label.partition(" ")
    broken = deepcopy(schema)
    place = broken["paths"][route][method.lower()]["responses"]
    for word in path[:-1]:
        place = place[word]
    place[path[-1]] = value

    assert list(found_wrong(broken, f"{stack.url}/{service}", "fits", 3, (label,))) == [label]


@pytest.mark.full
@pytest.mark.parametrize("service", NAMES)
def test_another_status_is_caught(stack: Stack, schema: Json, service: str) -> None:
    broken = deepcopy(schema)
    answers = broken["paths"]["/jobs"]["post"]["responses"]
    answers["201"] = answers.pop("202")

    assert list(found_wrong(broken, f"{stack.url}/{service}", "fits", 3, ("POST /jobs",))) == ["POST /jobs"]
