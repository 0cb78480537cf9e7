"""`python -m bulkmeta`."""

from bulkmeta.cli.main import main

main()
