"""Why a path cannot be read, in words for a model. Pure."""

from __future__ import annotations

import errno
import os

LONGEST_SHOWN = 200
"""Characters of a path that an error repeats."""

CHANGED = frozenset({errno.EINVAL, errno.ELOOP, errno.EMLINK, errno.ENOTDIR})
"""What the system answers when a name no longer is what it was a moment ago."""


class Refused(Exception):
    """Raised for what cannot be read. The message goes on after the path, as in `is a pipe.`."""


def reason(error: OSError) -> str:
    """Why the system would not open or read something. Names no path."""
    match error:
        case FileNotFoundError():
            return "was not found. Use list_directory to see what there is."
        case PermissionError():
            return "cannot be read: permission denied."
        case OSError(errno=errno.ENAMETOOLONG):
            return "was not found: a name in it is longer than the file system allows."
        case OSError(errno=number) if number in CHANGED:
            return "changed while it was being opened. Try again."
        case _:
            return f"cannot be read: {os.strerror(error.errno or errno.EIO)}."


def shown(path: str) -> str:
    """A path as the model wrote it, quoted; of one that is too long the start."""
    return repr(path) if len(path) <= LONGEST_SHOWN else f"{path[:LONGEST_SHOWN]!r}..."
