"""`python -m tripletscope` is the command `tripletscope`."""

from tripletscope.cli import main

raise SystemExit(main())
