"""Reading and checking of configs: YAML read safely, settings checked strictly, errors that name key and remedy."""

import difflib
import json
import math
import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_before_validator_function

from basinet.errors import InputError
from basinet.files import read_json, read_text

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Cutoff = Annotated[float, Field(ge=2, le=15)]
TwoJMax = Annotated[int, Field(ge=0, le=14)]
Seed = Annotated[int, Field(ge=0)]
FrameCount = Annotated[int, Field(ge=2)]
Value = TypeVar("Value")


class _OneOrList:
    """A key that takes one value or a list of them; the resolved config always holds the list."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_before_validator_function(
            lambda value: value if isinstance(value, list) else [value], handler(source)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        several = handler(schema)
        return {"anyOf": [several["items"], several]}


Listed = Annotated[list[Value], Field(min_length=1), _OneOrList()]


class Section(BaseModel):
    """A section of a config: strict about keys, fixed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Settings = TypeVar("Settings", bound=BaseModel)


_MOST_VALUES = 100_000  # that aliases may make of a YAML file which has fewer characters


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML's safe loader, but a key given twice is an error, not a choice of the last, and aliases do not multiply."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        is_alias = self.check_event(yaml.AliasEvent)
        node: Any = super().compose_node(parent, index)
        if not is_alias:  # `size`: values in it once all aliases are written out
            within = node.value if isinstance(node, yaml.CollectionNode) else []
            parts = [part for item in within for part in (item if isinstance(item, tuple) else (item,))]
            node.size = 1 + sum(part.size for part in parts)
        if getattr(node, "size", math.inf) > max(_MOST_VALUES, self.index):  # none: it is not at its end
            raise InputError(f"line {node.start_mark.line + 1}: aliases (*) multiply what is here; write it out")
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                continue
            if key in seen:
                raise InputError(f"line {key_node.start_mark.line + 1}: key {key!r} is given twice; remove one")
            seen.add(key)
        return super().construct_mapping(node, deep)

    def _plain_number(self, node: yaml.ScalarNode) -> float:
        """A number as JSON has it; YAML 1.1 takes 010 for 8, 1:30 for 90 and 1_0 for 10."""
        if _ODD_NUMBER.fullmatch(node.value):
            raise InputError(f"line {node.start_mark.line + 1}: {node.value[:40]!r} is an odd number; write it plainly")
        construct = super().construct_yaml_float if node.tag.endswith("float") else super().construct_yaml_int
        return construct(node)


_ODD_NUMBER = re.compile(r".*[_:].*|[-+]?0[0-9xb].*")
for _tag in ("int", "float"):
    _UniqueKeyLoader.add_constructor(f"tag:yaml.org,2002:{_tag}", _UniqueKeyLoader._plain_number)  # noqa: SLF001


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping; InputError where it is missing, is something else or gives a key twice."""
    return parse_yaml(read_text(path), str(path))


def read_settings(path: str | Path) -> dict[str, Any]:
    """Read a config of the user's as `read_yaml` does; InputError where a text is empty, which names nothing."""
    values = read_yaml(path)
    key = _empty_text(values)
    if key is not None:
        raise InputError(f"{path}: {key}: is empty; give a value, or leave the key out")
    return values


def _empty_text(value: Any) -> str | None:
    """Dotted key of a text without a character, at any depth; None where there is none."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ()):
        where = "" if isinstance(item, str) and not item.strip() else _empty_text(item)
        if where is not None:
            return f"{key}.{where}".rstrip(".")
    return None


def parse_yaml(text: str, source: str) -> dict[str, Any]:
    """Parse YAML text that holds a mapping; `source` names it in messages. See `read_yaml`."""
    try:
        value = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - derived from SafeLoader
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f", line {error.problem_mark.line + 1}"
        msg = f"{source}{line}: not valid YAML ({error.problem}); check indentation, colons and brackets"
        raise InputError(msg) from error
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, TypeError, AttributeError) as error:
        # Values of odd tags (dates, sets, numbers) fail in the constructors of PyYAML with Python's own errors.
        msg = f"{source}: not valid YAML ({' '.join(str(error).split()) or type(error).__name__})"
        raise InputError(msg) from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(f"{source}: expected 'key: value' lines, found {type(value).__name__}")
    return value


def overlay(base: dict[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """Lay `top` over `base`, section by section; lists are replaced, not joined."""
    merged = dict(base)
    for key, value in top.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = overlay(merged[key], value) if both else value
    return merged


def validated(model: type[Settings], values: Any, source: str, remedy: str = "") -> Settings:
    """Check values, of a config or of a file of ours, against a model; the first error becomes one readable line.

    InputError names source, key, what is wrong and, for an unknown key, the nearest known one.
    """
    try:
        found = model.model_validate(values)
    except ValidationError as error:
        problems = error.errors()
        unknown = [p for p in problems if p["type"] == "extra_forbidden"]
        problem = (unknown or problems)[0]
        # A part with brackets is no known key: pydantic names the branch of a union so.
        location = [str(part) for part in problem["loc"] if unknown or "[" not in str(part)]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        if problem["type"] == "extra_forbidden":
            msg = f"{source}: unknown key '{'.'.join(location)}'{_nearest(model, location)}{more}"
        else:
            where = ": ".join([source, *([".".join(location)] if location else [])])
            message = problem["msg"].removeprefix("Value error, ")
            given = problem["input"]
            # What is wrong with a whole section is said by the message; its content would only be long.
            got = "" if isinstance(given, dict) else f", got {_short(given)}"
            msg = f"{where}: {message[:1].lower()}{message[1:]}{got}{more}"
        # Keys of a file may hold line breaks.
        raise InputError(" ".join(f"{msg}; {remedy}".removesuffix("; ").split())) from None
    flag = _flag_for_number(values, found.model_dump())
    if flag is not None:
        raise InputError(f"{source}: {flag}: expected a number, not true or false; {remedy}".removesuffix("; "))
    return found


def _flag_for_number(given: Any, found: Any) -> str | None:
    """Dotted key of a truth value that was taken for a number: ``yes`` is 1 to Python."""
    if isinstance(found, dict) and isinstance(given, Mapping):
        inner = {key: _flag_for_number(value, found.get(key)) for key, value in given.items()}
    elif isinstance(found, (list, tuple)):
        listed = given if isinstance(given, (list, tuple)) else [given]
        inner = {index: _flag_for_number(*pair) for index, pair in enumerate(zip(listed, found, strict=False))}
    else:
        return "" if isinstance(given, bool) and type(found) in (int, float) else None
    return next((f"{key}.{where}".rstrip(".") for key, where in inner.items() if where is not None), None)


def read_record(path: Path, kind: Any, remedy: str = "delete it and run again with --resume") -> Any:
    """Read a JSON file of ours, and check it against a type; nothing where there is no file.

    InputError, with the remedy, where the file is damaged or holds something else.
    """
    if not path.exists():
        return {}
    value = read_json(path, remedy)
    try:
        TypeAdapter(kind).validate_json(json.dumps(value))  # as JSON, which messages then speak of
    except ValidationError as error:
        problem = error.errors()[0]
        where = ": ".join([str(path), *([".".join(map(str, problem["loc"]))] if problem["loc"] else [])])
        message = f"{where}: {problem['msg'].lower()}, got {_short(problem['input'])}; {remedy}"
        raise InputError(" ".join(message.split())) from None
    return value


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _nearest(model: type[BaseModel], location: list[str]) -> str:
    here: Any = model
    for part in location[:-1]:
        fields = getattr(here, "model_fields", {})
        if part not in fields:
            break
        annotation = fields[part].annotation
        here = next((t for t in (annotation, *get_args(annotation)) if hasattr(t, "model_fields")), here)
    known = list(getattr(here, "model_fields", {}))
    close = difflib.get_close_matches(location[-1], known, n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else f"; known keys: {', '.join(known)}"
