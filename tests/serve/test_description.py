"""The service does what its own OpenAPI document says, whatever a machine thinks of sending."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS, load_all_checks

from cleaner.serve.classifier import Prediction
from cleaner.serve.openapi import document
from cleaner.serve.problems import Problem
from cleaner.serve.settings import Limits, Settings
from tests.serve.conftest import Running, picture, serving

TOKEN = "correct-horse-battery-staple"
SETTINGS = Settings(token=TOKEN)
DOCUMENT = document(SETTINGS, keeps=True)

load_all_checks()
# what a machine makes up is a string of bytes, as described, but no picture
NO_PICTURE = CHECKS.get_by_names(["positive_data_acceptance"])
schema = schemathesis.openapi.from_dict(json.loads(json.dumps(DOCUMENT)))  # as a client gets it


def _fetch(url: str, *, limits: Limits) -> bytes:
    """Fetch nothing, for no test asks the internet; but from addresses only that look like some."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Problem(422, "That is no address.")
    return picture()


def _keep(_: bytes, __: Prediction, /, *, disputed: str | None = None) -> Path | None:
    return disputed and Path(disputed, "picture.png")


@pytest.fixture(scope="module")
def guarded() -> Iterator[Running]:
    with serving(SETTINGS, fetch=_fetch, keep=_keep) as running:
        yield running


@schema.parametrize()
@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    database=None,
    derandomize=True,
)
def test_every_answer_is_as_described(case: schemathesis.Case, guarded: Running) -> None:
    answer = case.call(base_url=guarded.url, headers={"Authorization": f"Bearer {TOKEN}"})
    case.validate_response(answer, excluded_checks=NO_PICTURE)
    assert answer.status_code != 500


def test_the_service_hands_out_this_very_document(guarded: Running) -> None:
    with guarded.client() as client:
        answer = client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == DOCUMENT


def test_every_route_is_described_and_nothing_else(guarded: Running) -> None:
    with guarded.client(headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        for path, methods in DOCUMENT["paths"].items():
            for method in ("get", "post"):
                answer = client.request(method, path)
                assert (answer.status_code == 405) == (method not in methods), path
        assert client.post("/classify", content=picture()).status_code == 200


def test_a_service_without_a_token_describes_none() -> None:
    described = document(Settings())
    assert "security" not in described
    assert "401" not in described["paths"]["/classes"]["get"]["responses"]


def test_statuses_that_machines_seldom_provoke_are_described_too(guarded: Running) -> None:
    described = DOCUMENT["paths"]["/classify"]["post"]["responses"]
    seen: set[int] = set()
    with guarded.client() as client:
        seen.add(client.post("/classify").status_code)
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        for body, headers in (
            (b"", {}),
            (b"x", {}),
            (picture(), {}),
            (picture(), {"Host": "evil.example"}),
            (picture(), {"Origin": "https://evil.example"}),
            (picture(size=(64, 64), kind="JPEG")[:400], {}),
        ):
            answer: httpx2.Response = client.post("/classify", content=body, headers=headers)
            seen.add(answer.status_code)
    assert seen >= {200, 400, 401, 403, 415, 421}
    assert {str(status) for status in seen} <= set(described)


def test_schemathesis_checks_what_it_should() -> None:
    assert {"status_code_conformance", "response_schema_conformance", "not_a_server_error"} <= set(
        CHECKS.get_all_names()
    )
