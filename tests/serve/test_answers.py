"""What the service answers to those who ask as they should."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cleaner.serve.batching import Batches
from cleaner.serve.classifier import Prediction
from cleaner.serve.settings import Settings
from tests.serve.conftest import Colours, Running, picture, serving


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000"])
def test_a_picture_gets_every_class_with_its_probability_best_first(running: Running, kind: str) -> None:
    with running.client() as client:
        answer = client.post("/classify", content=picture("blue", kind=kind))
    assert answer.status_code == 200
    found = answer.json()["predictions"]
    assert found[0][0] == "blue"
    assert {name for name, _ in found} == {"red", "green", "blue"}
    assert [share for _, share in found] == sorted((share for _, share in found), reverse=True)
    assert sum(share for _, share in found) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "kind",
    [
        "image/png",
        "image/jpeg",
        "IMAGE/PNG; q=1",
        "application/octet-stream",
        None,
        "application/x-www-form-urlencoded",
    ],
)
def test_the_bytes_say_what_a_picture_is_not_the_type_it_was_sent_under(
    running: Running, kind: str | None
) -> None:
    with running.client() as client:
        headers = {} if kind is None else {"Content-Type": kind}
        answer = client.post("/classify", content=picture("red"), headers=headers)
    assert answer.json()["predictions"][0][0] == "red"


def test_one_file_of_a_form_is_answered_like_a_picture(running: Running) -> None:
    with running.client() as client:
        answer = client.post(
            "/classify", files={"anything": ("a.png", picture("red"))}, data={"note": "hello"}
        )
    assert answer.json()["predictions"][0][0] == "red"


def test_several_files_are_answered_in_their_order_and_the_bad_one_by_a_sentence(running: Running) -> None:
    files = [
        ("files", ("../../etc/r\u202eed.png", picture("red"))),
        ("files", ("<img src=x onerror=alert(1)>.png", b"no picture")),
        ("files", ("C:\\photos\\blue.png", picture("blue"))),
    ]
    with running.client() as client:
        results = client.post("/classify", files=files).json()["results"]
    assert [result["name"] for result in results] == [
        "red.png",
        "<img src=x onerror=alert(1)>.png",
        "blue.png",
    ]
    assert results[0]["predictions"][0][0] == "red"
    assert results[1]["error"].startswith("This is not a picture")
    assert results[2]["predictions"][0][0] == "blue"


def test_one_may_ask_for_the_best_few_only(running: Running) -> None:
    with running.client() as client:
        assert len(client.post("/classify?top=1", content=picture()).json()["predictions"]) == 1
        assert len(client.post("/classify?top=99", content=picture()).json()["predictions"]) == 3
        for wrong in ("0", "-1", "x", "1.5", "٣", "9" * 5000, "1&top=2", ""):
            answer = client.post(f"/classify?top={wrong}", content=picture())
            assert answer.status_code == 400, wrong
            assert answer.json()["error"].startswith("top is")


def test_the_classes_are_listed_in_the_models_order(running: Running) -> None:
    with running.client() as client:
        assert client.get("/classes").json() == {"classes": ["red", "green", "blue"]}


def test_classes_that_are_equally_likely_keep_their_order() -> None:
    with serving(model=Colours(classes=("b", "a", "c"))) as running, running.client() as client:
        found = client.post("/classify", content=picture("white")).json()["predictions"]
    assert [name for name, _ in found] == ["b", "a", "c"]


def test_the_metrics_count_what_was_done() -> None:
    with serving() as running, running.client() as client:
        client.post("/classify", content=picture())
        client.post("/classify", content=b"nothing that is known")
        client.get("/somewhere/else")
        text = client.get("/metrics").text
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["cleaner_pictures_total",] == 1
    assert samples["cleaner_requests_total", "/classify", "200"] == 1
    assert samples["cleaner_requests_total", "/classify", "415"] == 1
    assert samples["cleaner_requests_total", "other", "404"] == 1
    assert samples["cleaner_waiting_pictures",] == 0
    assert samples["cleaner_held_bytes",] == 0


def test_the_log_is_a_line_of_json_for_each_request_without_what_was_sent() -> None:
    secret = "correct-horse-battery"
    with serving(Settings(token=secret)) as running, running.client() as client:
        client.post("/classify", content=picture(), headers={"Authorization": f"Bearer {secret}"})
        client.get("/classes", headers={"Authorization": "Bearer wrong-horse"})
        client.get("/classify-url?url=https://example.org/?key=private-key")
        client.get("/a%0D%0Ab\u2028")
    lines, text = running.lines(), running.written.getvalue()  # whole once the service has ended
    assert [(line["path"], line["status"]) for line in lines if line["event"] == "request"] == [
        ("/classify", 200),
        ("/classes", 401),
        ("/classify-url", 401),
        ("other", 401),
    ]
    assert not any(word in text for word in (secret, "wrong-horse", "private-key", "PNG"))


def test_every_prediction_is_offered_to_be_kept_and_a_full_disk_costs_no_answer() -> None:
    kept = []

    def keep(data: bytes, prediction: Prediction, /, *, disputed: str | None = None) -> Path | None:
        kept.append((data, prediction[0][0], disputed))
        raise OSError(28, "No space left on device")

    with serving(keep=keep) as running, running.client() as client:
        answer = client.post("/classify", content=picture("green"))
        assert answer.status_code == 200
        assert kept == [(picture("green"), "green", None)]
        (line,) = [line for line in running.lines() if line["event"] == "keep"]
    assert line["reason"] == "No space left on device"


def test_a_failure_of_the_model_is_one_sentence_and_the_next_picture_is_answered() -> None:
    class Fails(Colours):
        def probabilities(self, batch):
            if batch[0, 0, 0, 0] == 255:
                raise RuntimeError("a secret of the machine")
            return super().probabilities(batch)

    with serving(model=Fails()) as running, running.client() as client:
        answer = client.post("/classify", content=picture("red"))
        assert answer.status_code == 500
        assert answer.json() == {"error": "Something failed within the service; its log says what."}
        assert running.alive()
        (line,) = [line for line in running.lines() if line["event"] == "failure"]
    assert line["error"] == "RuntimeError"
    assert "secret" not in json.dumps(line)


def test_who_waits_when_the_computing_ends_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    import numpy as np

    async def story() -> None:
        batches = Batches(lambda batch: batch, size=2, seen=lambda n: None)
        asked = [asyncio.ensure_future(batches.ask(np.zeros(1, np.uint8))) for _ in range(3)]
        await asyncio.sleep(0)
        await batches.stop()
        assert all(
            isinstance(got, asyncio.CancelledError)
            for got in await asyncio.gather(*asked, return_exceptions=True)
        )

    asyncio.run(story())
