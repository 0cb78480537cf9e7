"""Finding the function that a job's transform names."""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bulkmeta.errors import UsageError
from bulkmeta.model.redaction import without_secrets
from bulkmeta.model.transforms import Transform, TransformRef
from bulkmeta.sources.key_file import fingerprint


def load_transform(name: str) -> tuple[TransformRef, Transform]:
    """The function that `module:function` names, in the current folder or where Python
    looks.

    Raises:
        UsageError: there is none, or its module cannot be imported.
    """
    module_name, colon, path = name.partition(":")
    if not (colon and module_name and path):
        like = f", such as {_meant(name, 'change')}" if _is_file(name) else ""
        raise UsageError(f"--transform {name!r}: write it as module:function{like}")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        function = _imported(name, module_name, path)
        for part in path.split("."):
            function = _attribute(name, function, part)
    finally:
        sys.path.remove(here)
    return reference_of(function, name), function


def _imported(name: str, module_name: str, path: str) -> Any:
    try:
        return importlib.import_module(module_name)
    except Exception as error:  # whatever the module does when it is imported
        words = f"cannot import {module_name!r}: {without_secrets(repr(error))}"
        if _is_file(module_name):
            words = f"name a module, not a file: {_meant(module_name, path)}"
        raise UsageError(f"--transform {name!r}: {words}") from error


def _is_file(name: str) -> bool:
    return name.endswith(".py") or "/" in name


def _meant(file: str, path: str) -> str:
    """How a function in a file is named from the current folder; or, if the file lies
    elsewhere, from its own."""
    whole, here = Path(file.removesuffix(".py")).resolve(), Path.cwd().resolve()
    if whole.is_relative_to(here):
        return repr(f"{'.'.join(whole.relative_to(here).parts)}:{path}")
    return f"{f'{whole.name}:{path}'!r}, in {str(whole.parent)!r}"


def _attribute(name: str, owner: Any, part: str) -> Any:
    try:
        return getattr(owner, part)
    except AttributeError as error:
        raise UsageError(f"--transform {name!r}: {error}") from error


def reference_of(function: Callable[..., Any], name: str | None = None) -> TransformRef:
    """How a job remembers a function.

    Raises:
        UsageError: it can make no changes.
    """
    fault = _fault_of(function)
    if fault:
        raise UsageError(f"transform {name or function!r}: {fault}")
    module = inspect.getmodule(_plain(function))
    file = getattr(module, "__file__", None)
    known = file is not None and Path(file).is_file()
    return TransformRef(
        name or f"{_module_of(function)}:{_name_of(function)}",
        fingerprint(Path(file)) if file and known else None,
    )


def refuse_other_transform(ref: TransformRef | None, function: Transform) -> None:
    """Stop where a run was made with another function, or with none.

    Raises:
        UsageError: it was.
    """
    if ref is None:
        raise UsageError("the run's changes were not made by a function; give none")
    own = reference_of(function)
    if own.sha256 != ref.sha256 or _name_of(function) != ref.name.partition(":")[2]:
        raise UsageError(
            f"the run's changes were made by {ref.name!r}, not by {own.name!r}"
        )


def _module_of(function: Any) -> str:
    return str(getattr(_plain(function), "__module__", ""))


def _name_of(function: Any) -> str:
    """Its name in its module, without what it is bound to, which may be secret."""
    plain = _plain(function)
    return str(getattr(plain, "__qualname__", type(plain).__qualname__))


def _plain(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _fault_of(function: Any) -> str | None:
    """Why the function cannot make changes, as far as it shows beforehand."""
    if not callable(function):
        return "it is no function"
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        return "write it as a plain function: neither async nor a generator"
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        return "it has to take one argument, a bulkmeta.ObjectView"
    except ValueError:
        return None  # some that are written in C do not tell
    return None


def reload_transform(ref: TransformRef) -> Transform:
    """The function of a job that is taken up again.

    Raises:
        UsageError: it is not there any more, or its module is another one.
    """
    found, function = load_transform(ref.name)
    if found.sha256 != ref.sha256:
        raise UsageError(
            f"the module of {ref.name!r} is not as it was when the run began"
        )
    return function
