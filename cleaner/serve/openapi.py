"""The service described in OpenAPI 3.1, true to these settings. It describes; the routes do."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, TypeAlias

from cleaner.serve.settings import MIB, Settings

Part: TypeAlias = dict[str, Any]

WHAT = """Send a picture, get the classes with their probabilities, best first. Every problem is one sentence.

A status of 503 means that the service is busy: ask again after the seconds in Retry-After."""

TOP: Part = {
    "name": "top",
    "in": "query",
    "description": "Name only so many classes, the best.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 999_999},
}
CLASS: Part = {
    "name": "class",
    "in": "query",
    "required": True,
    "description": "What the picture shows: one of /classes.",
    "schema": {"type": "string", "minLength": 1},
}
PREDICTIONS: Part = {
    "type": "array",
    "description": "Pairs of a class and its probability, best first.",
    "items": {
        "type": "array",
        "items": {"anyOf": [{"type": "string"}, {"type": "number", "minimum": 0, "maximum": 1}]},
        "minItems": 2,
        "maxItems": 2,
    },
}
SCHEMAS: Part = {
    "Predictions": {
        "type": "object",
        "properties": {"predictions": PREDICTIONS},
        "required": ["predictions"],
        "additionalProperties": False,
    },
    "Results": {
        "type": "object",
        "description": "For several files, in their order: the predictions, or what is wrong with that file.",
        "properties": {"results": {"type": "array", "items": {"$ref": "#/components/schemas/Result"}}},
        "required": ["results"],
        "additionalProperties": False,
    },
    "Result": {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "predictions": PREDICTIONS,
            "error": {"type": "string"},
        },
        "required": ["name"],
        "oneOf": [{"required": ["predictions"]}, {"required": ["error"]}],
        "additionalProperties": False,
    },
    "Kept": {
        "type": "object",
        "properties": {
            "kept_as": {
                "type": "string",
                "description": "The class as which it is kept: another one if somebody decided so before.",
            }
        },
        "required": ["kept_as"],
        "additionalProperties": False,
    },
    "Error": {
        "type": "object",
        "properties": {"error": {"type": "string", "description": "One sentence."}},
        "required": ["error"],
        "additionalProperties": False,
    },
}
PROBLEMS = {
    400: "What was sent can't be understood.",
    401: "The token is missing or wrong.",
    403: "It is switched off, or a page of another site asks.",
    408: "The upload was too slow.",
    413: "Too many bytes, files or pixels.",
    415: "Neither a picture of a known kind nor a form.",
    421: "The service does not go by that name.",
    422: "The picture is damaged, the class is none, or the address may not be fetched.",
    500: "Something failed within the service.",
    502: "The address could not be fetched.",
    503: "Busy; ask again after the seconds in Retry-After.",
    504: "The address took too long.",
    507: "There is no room to keep it.",
}


def document(settings: Settings, *, keeps: bool = False) -> Part:
    """Return the whole description; `keeps` says whether disputed pictures are kept."""
    described: Part = {
        "openapi": "3.1.0",
        "info": {"title": "Cleaner", "version": version("cleaner"), "description": WHAT},
        "paths": _paths(settings, keeps=keeps),
        "components": {"schemas": SCHEMAS},
    }
    if settings.token is not None:
        described["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        described["security"] = [{"token": []}]
    return described


def _paths(settings: Settings, *, keeps: bool) -> Part:
    asked = (401, 403, 421) if settings.token is not None else (403, 421)
    classifying = (*asked, 400, 408, 413, 415, 422, 500, 503)
    names_of = ("Predictions", "Results", "Kept")
    some, several, kept = ({"$ref": f"#/components/schemas/{name}"} for name in names_of)
    names: Part = {"type": "object", "properties": {"classes": _list_of("string")}, "required": ["classes"]}
    healthy: Part = {"type": "object", "properties": {"status": {"const": "ok"}}, "required": ["status"]}
    paths = {
        "/classify": {
            "post": {
                "summary": "Classify one picture or several",
                "operationId": "classify",
                "parameters": [TOP],
                "requestBody": _body(settings, what="A picture as the body, or files in a form."),
                "responses": _answers({"anyOf": [some, several]}, problems=classifying),
            }
        },
        "/classify-url": {
            "get": {
                "summary": "Classify the picture behind an address",
                "operationId": "classifyUrl",
                "parameters": [_url(), TOP],
                "responses": _answers(some, problems=(*asked, 400, 413, 415, 422, 500, 502, 503, 504)),
            }
        },
        "/dispute": {
            "post": {
                "summary": "Say what a picture really shows, so that it is kept to teach the next model",
                "operationId": "dispute",
                "parameters": [CLASS],
                "requestBody": _body(settings, what="One picture, as the body or in a form.", most=1),
                "responses": _answers(kept, problems=(*classifying, 507)),
            }
        },
        "/classes": {"get": _get("classes", "List the classes of the model", names, problems=asked)},
        "/metrics": {
            "get": _get("metrics", "Counts and times for Prometheus", None, problems=asked),
        },
        "/health": {
            "get": {**_get("health", "Say whether it answers", healthy, problems=(503,)), "security": []}
        },
    }
    if not settings.urls:
        del paths["/classify-url"]
    if not keeps:
        del paths["/dispute"]
    return paths


def _get(name: str, summary: str, schema: Part | None, *, problems: tuple[int, ...]) -> Part:
    return {"summary": summary, "operationId": name, "responses": _answers(schema, problems=problems)}


def _answers(schema: Part | None, *, problems: tuple[int, ...]) -> Part:
    """Describe the good answer, plain text without a schema, and the bad ones."""
    kind = "text/plain" if schema is None else "application/json"
    good = {"description": "The answer.", "content": {kind: {"schema": schema or {"type": "string"}}}}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    bad = {str(status): {"description": PROBLEMS[status], "content": error} for status in sorted(problems)}
    return {"200": good, **bad}


def _body(settings: Settings, *, what: str, most: int | None = None) -> Part:
    """Describe pictures that are sent, at most `most` of them; None for as many as the settings allow."""
    limits = settings.limits
    bounds = f"At most {limits.file_bytes / MIB:g} MiB and {limits.pixels / 1e6:g} million pixels a picture"
    if most is None:
        bounds += f", {limits.files} pictures and {limits.body_bytes / MIB:g} MiB a request"
    files: Part = {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1}
    if most is not None:
        files["maxItems"] = most
    form = {"type": "object", "properties": {"files": files}}
    binary: Part = {"schema": {"type": "string", "format": "binary"}}
    return {
        "required": True,
        "description": f"{what} {bounds}.",
        "content": {
            "multipart/form-data": {"schema": {**form, "required": ["files"]}},
            "image/*": binary,
            "application/octet-stream": binary,
        },
    }


def _url() -> Part:
    return {
        "name": "url",
        "in": "query",
        "required": True,
        "description": "Where the picture lies: http or https, on a public address.",
        "schema": {"type": "string", "format": "uri", "minLength": 1},
    }


def _list_of(kind: str) -> Part:
    return {"type": "array", "items": {"type": kind}}
