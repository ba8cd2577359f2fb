"""Errors a person can act on, in one line; everything else is a bug and keeps its traceback."""

import errno
import re
from pathlib import Path

import yaml
from hydra.errors import HydraException, InstantiationException, MissingConfigException, OverrideParseException
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from turnaround.run.build import nearest
from turnaround.types import InputError

REFUSED_BY_THE_SYSTEM = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENAMETOOLONG,
}


def explain(error: BaseException, configs: Path) -> InputError | None:
    """The one line for bad input, wherever in the chain of causes it was met; None for a bug.

    configs: the config folder, for the options of a group.
    """
    match error:
        case InputError():
            return error
        case InstantiationException():
            return explain(error.__cause__, configs) if error.__cause__ else None
        case MissingConfigException():
            return _missing_option(error, configs)
        case OverrideParseException():
            found = str(error).splitlines()
            said = next((line for line in found if not line.startswith("Error parsing")), found[0])
            fix = "quote values that hold = , [ ] { } or spaces: \"key='a=b'\""
            return InputError(f"override {error.override}", expected="key=value", found=said, fix=fix)
        case HydraException() | OmegaConfBaseException():
            return _composition(error)
        case yaml.YAMLError():
            return InputError(_yaml_file(error, configs), expected="YAML", found=str(error), fix="correct the file")
        case OSError() if error.errno in REFUSED_BY_THE_SYSTEM:
            subject = error.filename or "output"
            fix = "choose another out= folder or free space"
            return InputError(subject, expected="a writable place with enough room", found=str(error.strerror), fix=fix)
    return None


def _missing_option(error: MissingConfigException, configs: Path) -> InputError:
    name = error.missing_cfg_file or "configuration"
    group, _, option = str(name).rpartition("/")
    options = error.options or [path.stem for path in (configs / group).glob("*.yaml")]
    subject = f"{group}={option}" if group else f"{configs}/{option}.yaml"
    return InputError(subject, expected="an existing option", found="no such file", fix=nearest(option, options))


def _composition(error: Exception) -> InputError:
    cause = error.__cause__ or error
    if isinstance(cause, ConfigKeyError | ConfigAttributeError) and cause.full_key:
        siblings = set() if cause.parent_node is None else {str(key) for key in cause.parent_node} - {"hydra"}
        options = {key for key in siblings if not key.startswith("_")}
        fix = f"{nearest(str(cause.key), options)} (+{cause.full_key}=… adds a key)"
        return InputError(cause.full_key, expected="a key of the configuration", found="an unknown key", fix=fix)
    subject = getattr(cause, "full_key", None) or "configuration"
    found = " ".join(str(error).split()) or " ".join(str(cause).split())
    specify = re.match(r"You must specify '([^']+)'.*Available options: (.*)", found)
    if specify:
        group, options = specify.groups()
        return InputError(group, expected="a choice", found="none", fix=f"give {group}=, one of: {options}")
    return InputError(subject, expected="a configuration that composes", found=found, fix="see --help and --cfg job")


def _yaml_file(error: yaml.YAMLError, configs: Path) -> str:
    mark = getattr(error, "problem_mark", None)
    return mark.name if mark is not None else str(configs)
