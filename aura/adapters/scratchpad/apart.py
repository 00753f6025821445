"""The program that files away one text, as `filing` does. `writing` starts it while the text is
still being looked at.

Its arguments are descriptors of the directory and of the text, and where its neighbours and msgspec
are: it runs without what interpreters usually look for first, because it is waited for.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    sys.path[:0] = sys.argv[3:5]
    # msgspec does without it, and needs half the time to be imported.
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]
    from filing import main  # type: ignore[import-not-found]

    os._exit(main())  # tidying up would take as long as there is memory, and nothing needs it
