"""From a composed config to the object it describes: the constructor is the schema, checked before all building."""

import difflib
import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from turnaround.types import InputError

TARGET, PARTS = "_target_", "_parts_"
DIRECTIVES = {TARGET, PARTS, "_convert_", "_recursive_", "_partial_", "_args_"}
ENTRY_KEYS = ("out", "seed")  # read by the entry; handed on only where a constructor names them


def build(config: DictConfig) -> Any:
    """The object of a root config.

    Every root key is an argument of the `_target_`, or is there for others to interpolate. What others interpolate
    whole (`${net}`) is built where it is used and nowhere else: a second copy would cost memory and random numbers. A
    constructor that names such a key gets the plain mapping; one that does not, goes without it, as it does
    without a key others interpolate in part (`${inference.steps}`), without `out` and `seed`, and without those that
    `_parts_` lists, which are there for others whether or not the chosen configs use them. All other keys are built and
    handed over, so a misspelt key, at the root or below, fails with its name.

    InputError: a key without a value, a key the constructor does not know, a value it refuses.
    """
    for key in _without_value(OmegaConf.to_container(config, resolve=False), ""):
        raise InputError(key, expected="a value", found="none", fix=f"give {key}=VALUE")
    references = re.findall(r"\$\{([\w.]+)\}", OmegaConf.to_yaml(config))
    parts = set(config.get(PARTS, ()))
    optional = {reference.partition(".")[0] for reference in references} | set(ENTRY_KEYS) | parts
    target = _located(config.get(TARGET), "")
    accepted = inspect.signature(target).parameters
    plain = cast(dict[str, Any], OmegaConf.to_container(config, resolve=True))
    arguments = {key: plain[key] for key in plain if key not in DIRECTIVES and (key in accepted or key not in optional)}
    _check(target, arguments, "")
    for key in {*references, *parts} & set(
        plain
    ):  # first, so that a key is named where it is written, not where it is used
        _check_below(plain[key], key)
    for key in arguments:
        if OmegaConf.is_config(config[key]) and key not in references:
            arguments[key] = build_value(arguments[key], key)
    return _constructed("configuration", target, **arguments)


def build_value(value: Mapping[str, Any] | Sequence[Any], key: str) -> Any:
    """Everything below a key, built. InputError as of `build`."""
    _check_below(value, key)
    return _constructed(key, instantiate, value, _convert_="all")


def _constructed(key: str, construct: Callable, *values: Any, **arguments: Any) -> Any:
    try:
        return construct(*values, **arguments)
    except (InstantiationException, TypeError, ValueError) as error:
        refusal = _refusal(key, error)
        if refusal is None:
            raise
        raise refusal from error


def nearest(name: str, options: Iterable[str]) -> str:
    """The way out of a misspelt name."""
    options = sorted(options)
    close = difflib.get_close_matches(name, options, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]}?"
    return f"use one of: {', '.join(options)}" if options else "leave it out"


def _without_value(value: Any, key: str) -> Iterator[str]:
    """Keys that are ???. (OmegaConf's own search stops at the first key that interpolates one.)"""
    if value == "???":
        yield key
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _without_value(item, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _without_value(item, f"{key}[{index}]")


def _check_below(value: Any, key: str) -> None:
    if isinstance(value, Mapping):
        if TARGET in value:
            _check(_located(value[TARGET], key), value, key)
        for name, item in value.items():
            _check_below(item, f"{key}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_below(item, f"{key}[{index}]")


def _check(target: Any, arguments: Mapping[str, Any], key: str) -> None:
    """Compares keys with the target's signature, so that the key is named and nothing has been built yet."""
    try:
        parameters = inspect.signature(target).parameters.values()
    except ValueError:  # some builtins have none
        return
    given = [name for name in arguments if name not in DIRECTIVES]
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        for name in given:
            if name not in {p.name for p in named}:
                expected = f"a key of {target.__qualname__}"
                fix = nearest(name, {p.name for p in named})
                raise InputError(f"{key}.{name}".lstrip("."), expected=expected, found="an unknown key", fix=fix)
    if arguments.get("_partial_") or "_args_" in arguments:
        return
    for parameter in named:
        if parameter.default is parameter.empty and parameter.name not in given:
            subject = f"{key}.{parameter.name}".lstrip(".")
            raise InputError(subject, expected="a value", found="none", fix=f"{target.__qualname__} needs it")


def locate(path: str) -> Any:
    """What a dotted path names: the longest importable prefix, then attributes. ImportError, AttributeError."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        prefix = ".".join(parts[:end])
        try:
            found = importlib.import_module(prefix)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{prefix}.".startswith(f"{error.name}."):
                raise  # the module is there; something it imports is not
            continue
        for name in parts[end:]:
            found = getattr(found, name)
        return found
    raise ImportError(f"no module named {parts[0]}")


def _located(target: Any, key: str) -> Any:
    subject = f"{key}.{TARGET}".lstrip(".")
    if not isinstance(target, str) or not target:
        raise InputError(subject, expected="the path of a class", found=repr(target), fix="name what should be built")
    try:
        return locate(target)
    except (ImportError, AttributeError, ValueError) as error:
        fix = "correct the name, or install what it needs"
        raise InputError(subject, expected=f"{target} to exist", found=str(error), fix=fix) from error


def _refusal(key: str, error: Exception) -> InputError | None:
    """What bad input lies behind a failed construction; None for a bug."""
    cause: BaseException = error
    while isinstance(cause, InstantiationException) and cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(cause, InputError):
        return InputError(cause.subject, expected=cause.expected, found=cause.found, fix=cause.fix)
    if isinstance(cause, TypeError | ValueError | InstantiationException):
        fix = "correct it; TURNAROUND_TRACEBACK=1 shows where it was met"
        return InputError(key, expected="values that its constructor accepts", found=str(cause), fix=fix)
    return None
