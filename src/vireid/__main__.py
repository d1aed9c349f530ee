"""``python -m vireid`` is the ``vireid`` command, as torchrun likes to start it."""

import sys

from vireid.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
