"""What routes share: the parts of the application, and bodies that are JSON or a form with files."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, ParamSpec, TypeVar, cast

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request
from pydantic import BaseModel
from starlette.datastructures import UploadFile

from lipwright.errors import OptionError
from lipwright.service.context import request_id
from lipwright.service.intake import Intake
from lipwright.service.jobs import JobStore
from lipwright.service.publish import discard
from lipwright.service.schemas import Problem
from lipwright.service.settings import Settings
from lipwright.service.sniff import Sniffer
from lipwright.service.supervisor import Supervisor

Asked = TypeVar("Asked", bound=BaseModel)
Given = ParamSpec("Given")
Got = TypeVar("Got")
MOST_FIELDS = 40  # of a form
LONG_AT_ONCE = 20  # requests whose files are copied or looked into; further ones wait


@dataclass(frozen=True, slots=True)
class Parts:
    """The application's parts, for its routes."""

    settings: Settings
    store: JobStore
    intake: Intake
    sniffer: Sniffer
    supervisor: Supervisor
    _long: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(LONG_AT_ONCE))

    async def at_length(self, function: Callable[Given, Got], *args: Given.args, **kwargs: Given.kwargs) -> Got:
        """Call what may take long in a thread other than those that all requests share.

        Files that take a minute each would occupy all of these, and even `/health` would not be answered.
        """
        return await to_thread.run_sync(partial(function, *args, **kwargs), limiter=self._long)


def parts_of(request: Request) -> Parts:
    """The parts of the application that got this request."""
    return cast(Parts, request.app.state.parts)


Service = Annotated[Parts, Depends(parts_of)]


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Answers that tell a `Problem`, for the OpenAPI document; any request may be malformed or from a wrong place."""
    return {code: {"model": Problem} for code in (400, 403, *codes)}


def problems_beside_events(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The same for a route of events, which else would be said to tell its problems as events, too."""
    told = {"application/json": {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}}
    return {code: {"description": "Refused", "content": told} for code in (400, 403, *codes)}


def body_of(model: type[BaseModel], *files: str) -> dict[str, Any]:
    """The OpenAPI description of a body that is JSON, or a form in which some fields may be files."""
    whole = model.model_json_schema()
    schema = _inlined(whole, whole.pop("$defs", {}))
    form = json.loads(json.dumps(schema))
    for name in files:
        form["properties"][name] = {
            "type": "string",
            "format": "binary",
            "description": "The file, or text as in JSON.",
        }
    content = {"application/json": {"schema": schema}, "multipart/form-data": {"schema": form}}
    return {"requestBody": {"required": True, "content": content}}


def _inlined(part: Any, parts: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """A schema with the parts it refers to in their places: the document has no list of those."""
    if isinstance(part, list):
        return [_inlined(each, parts) for each in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _inlined(parts[part["$ref"].rpartition("/")[2]], parts)
    return {name: _inlined(value, parts) for name, value in part.items()}


@asynccontextmanager
async def read_body(request: Request, model: type[Asked], *files: str, briefly: bool = False) -> AsyncIterator[Asked]:
    """Read a request; uploaded files are kept, and their paths stand in their place.

    They are removed again where the request is refused, here or in the body of the `with` statement.

    Args:
        request: its content is JSON or a form.
        model: what it must be.
        files: fields that may be files.
        briefly: keep uploaded files no longer than the `with` statement lasts, and whatever they hold.

    Raises:
        RequestValidationError, OptionError: it is not what it must be.
        NoSpace, MediaError: see `Intake.keep_file`.
    """
    kept: list[str] = []
    refused = True
    try:
        yield await _read(request, model, files, kept, briefly=briefly)
        refused = False
    finally:
        if refused or briefly:
            for place in kept:
                discard(parts_of(request).settings.data_dir / place)


async def _read(
    request: Request, model: type[Asked], files: tuple[str, ...], kept: list[str], *, briefly: bool
) -> Asked:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return model.model_validate_json(await request.body() or b"{}")
    intake, at_length = parts_of(request).intake, parts_of(request).at_length
    async with request.form(max_files=len(files), max_fields=MOST_FIELDS) as form:
        asked: dict[str, Any] = {}
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                if name not in files:
                    raise OptionError(f"field {name!r} is no file; files go into {', '.join(files)}")
                if briefly:
                    asked[name] = await at_length(intake.store_file, value.file, value.filename or "")
                else:
                    asked[name], _ = await at_length(intake.keep_file, value.file, value.filename or "")
                kept.append(asked[name])
            elif value != "":
                asked[name] = _parsed(name, value)
        return model.model_validate(asked)


def _parsed(name: str, text: str) -> Any:  # noqa: ANN401 - checked by the model
    if name != "options":
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise OptionError("options must be a JSON object") from None


def asked_by() -> str:
    """The id of the request being served."""
    return request_id.get()
