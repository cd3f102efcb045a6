"""The routes, put together as one ASGI application. What they do lies in the modules beside this one."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from cleaner.serve.addresses import Fetch, fetch_picture
from cleaner.serve.capacity import Capacity
from cleaner.serve.classifier import Classifier, Keep, Prediction
from cleaner.serve.engine import Engine
from cleaner.serve.guard import ASSETS, Guard
from cleaner.serve.logs import Log
from cleaner.serve.measures import Measures
from cleaner.serve.openapi import document
from cleaner.serve.page import asset, page
from cleaner.serve.problems import Problem
from cleaner.serve.settings import Settings
from cleaner.serve.uploads import Upload, body_of, uploads_in

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def service(
    model: Classifier, *, settings: Settings, log: Log, keep: Keep | None = None, fetch: Fetch = fetch_picture
) -> ASGIApp:
    """Return the ASGI application that serves a model.

    `keep` is shown every picture with its prediction, and those disputed; `fetch` gets the bytes behind an
    address.
    """
    measures = Measures()
    limits = settings.limits
    answers = _Answers(
        engine=Engine(model, limits=limits, measures=measures, log=log, keep=keep),
        held=Capacity(limits.held_bytes, sentence="Too much is being uploaded; try again shortly."),
        fetches=Capacity(limits.fetches, sentence="Too many addresses are being fetched; try again shortly."),
        settings=settings,
        measures=measures,
        fetch=fetch,
        fetching=ThreadPoolExecutor(limits.fetches, thread_name_prefix="fetch"),
        keeps=keep is not None,
    )
    measures.held.set_function(lambda: answers.held.taken)
    routes = answers.routes()
    app = Starlette(
        routes=routes,
        lifespan=lambda _: answers.lifespan(),
        exception_handlers={Problem: _say, HTTPException: _say_http, Exception: _say_failure},
    )
    app.router.redirect_slashes = False
    return Guard(app, settings=settings, measures=measures, log=log, paths=[route.path for route in routes])


@dataclass(frozen=True, slots=True)
class _Answers:
    """What the routes share, and the routes."""

    engine: Engine
    held: Capacity
    fetches: Capacity
    settings: Settings
    measures: Measures
    fetch: Fetch
    fetching: ThreadPoolExecutor
    keeps: bool

    def routes(self) -> list[Route]:
        return [
            Route("/classify", self.classify, methods=["POST"]),
            Route("/classify-url", self.classify_url),
            Route("/dispute", self.dispute, methods=["POST"]),
            Route("/classes", self.classes),
            Route("/health", self.health),
            Route("/metrics", self.metrics),
            Route("/openapi.json", self.openapi),
            Route("/", page("index.html")),
            Route("/docs", page("docs.html")),
            Route(ASSETS + "{name}", asset),
        ]

    @contextlib.asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        await self.engine.start()
        try:
            yield
        finally:
            await self.engine.stop()
            self.fetching.shutdown(wait=False, cancel_futures=True)

    @contextlib.asynccontextmanager
    async def uploads(self, request: Request) -> AsyncIterator[list[Upload]]:
        """Read the pictures of a request, whose bytes count as held while the block runs."""
        limits = self.settings.limits
        async with body_of(request, limits=limits, held=self.held) as body:
            kind = request.headers.get("content-type", "")
            yield await self.engine.in_place(
                functools.partial(uploads_in, body, content_type=kind, limits=limits)
            )

    async def classify(self, request: Request) -> Response:
        top = _top(request)
        self.engine.places.check()  # before anything is uploaded
        async with self.uploads(request) as files:
            found = await self.engine.classify([file.data for file in files])
        if len(files) == 1:
            return JSONResponse(_predictions(found[0], top=top))
        return JSONResponse(
            {"results": [_result(f, got, top=top) for f, got in zip(files, found, strict=True)]}
        )

    async def dispute(self, request: Request) -> Response:
        labels = request.query_params.getlist("class")
        if len(labels) != 1:
            raise Problem(400, "Say which class the picture is of, and one only: /dispute?class=…")
        keep = self.engine.keeper_for(labels[0])
        self.engine.places.check()
        async with self.uploads(request) as files:
            if len(files) > 1:
                raise Problem(400, "Send one picture at a time, with its class.")
            kept_as = await self.engine.dispute(files[0].data, label=labels[0], keep=keep)
        return JSONResponse({"kept_as": kept_as})

    async def classify_url(self, request: Request) -> Response:
        top = _top(request)
        urls = request.query_params.getlist("url")
        if not self.settings.urls:
            raise Problem(403, "Fetching pictures by their address is switched off (--allow-urls).")
        if len(urls) != 1 or not urls[0]:
            raise Problem(400, "Say which picture, and one only: /classify-url?url=https://…")
        self.engine.places.check()
        with self.fetches.taking():
            fetching = functools.partial(self.fetch, urls[0], limits=self.settings.limits)
            data = await asyncio.get_running_loop().run_in_executor(self.fetching, fetching)
        with self.held.taking(len(data)):
            found = await self.engine.classify([data])
        return JSONResponse(_predictions(found[0], top=top))

    async def classes(self, _: Request) -> Response:
        return JSONResponse({"classes": list(self.engine.model.classes)})

    async def health(self, _: Request) -> Response:
        if not self.engine.alive:
            raise Problem(503, "The model does not answer any more; start the service again.")
        return JSONResponse({"status": "ok"})

    async def metrics(self, _: Request) -> Response:
        return Response(self.measures.text(), headers={"Content-Type": METRICS_TYPE})

    async def openapi(self, _: Request) -> Response:
        return JSONResponse(document(self.settings, keeps=self.keeps))


def _predictions(found: Prediction | Problem, *, top: int | None) -> dict[str, Any]:
    if isinstance(found, Problem):
        raise found
    return {"predictions": found[:top]}


def _result(file: Upload, found: Prediction | Problem, *, top: int | None) -> dict[str, Any]:
    if isinstance(found, Problem):
        return {"name": file.name, "error": str(found)}
    return {"name": file.name, **_predictions(found, top=top)}


def _top(request: Request) -> int | None:
    """Read how many classes are asked for; None for all."""
    given = request.query_params.getlist("top")
    if not given:
        return None
    if len(given) > 1 or not re.fullmatch("[1-9][0-9]{0,5}", given[0]):
        raise Problem(400, "top is how many classes to name: one whole number from 1 to 999999.")
    return int(given[0])


async def _say(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return problem.response()


async def _say_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentences = {404: "There is nothing here; see /docs.", 405: "This can't be asked that way; see /docs."}
    sentence = sentences.get(error.status_code, "The request could not be understood.")
    return Problem(error.status_code, sentence, headers=dict(error.headers or {})).response()


async def _say_failure(_: Request, __: Exception) -> Response:
    return Problem(500, "Something failed within the service; its log says what.").response()
