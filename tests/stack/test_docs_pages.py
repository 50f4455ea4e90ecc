"""FastAPI's own documentation pages, behind a prefix and with the 422 of the contract."""

import pytest

from tests.apps import App
from tests.contract import ROUTES


@pytest.fixture
def fastapi(apps: dict[str, App]) -> App:
    return apps["fastapi"]


def test_the_page_finds_its_description_behind_the_prefix(fastapi: App):
    page = fastapi.get("/docs")

    assert page.headers["content-type"].startswith("text/html")
    assert "/fastapi/openapi.json" in page.text


def test_the_description_names_the_prefix_and_every_route(fastapi: App):
    described = fastapi.get("/openapi.json").json()

    assert {"url": "/fastapi"} in described["servers"]
    expected = {path.partition("?")[0] for path in ROUTES if not path.startswith(("/jobs/", "/ws/"))}
    assert expected <= set(described["paths"])


def test_every_422_it_describes_has_the_error_shape(fastapi: App):
    described = fastapi.get("/openapi.json").json()
    schemas = [
        resolve(described, method["responses"]["422"]["content"]["application/json"]["schema"])
        for path in described["paths"].values()
        for method in path.values()
        if "422" in method["responses"]
    ]

    assert schemas
    for schema in schemas:
        assert set(schema["properties"]) == {"error", "detail", "request_id"}


def resolve(described: dict, schema: dict) -> dict:
    return described["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def test_the_limits_it_describes_are_those_of_the_contract(fastapi: App):
    described = fastapi.get("/openapi.json").json()["paths"]
    limits = {path: {p["name"]: (p["schema"].get("minimum"), p["schema"].get("maximum"), p["schema"].get("default"))
                     for p in described[path]["get"].get("parameters", ())} for path in ("/cpu", "/query", "/wait")}  # fmt: skip

    assert limits["/cpu"]["ms"] == (0, 1000, 10)
    assert limits["/query"]["n"] == (1, 500, 1)
    assert limits["/wait"]["ms"] == (0, 30_000, 100)
