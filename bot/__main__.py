"""`python -m bot` is `nolone`."""

from bot.cli import main

main(prog_name="nolone")
