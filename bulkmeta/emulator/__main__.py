"""`python -m bulkmeta.emulator`."""

from .command import emulator

emulator(prog_name="python -m bulkmeta.emulator")
