"""`python -m ivrnode` is `ivrnode`."""

from ivrnode.cli import main

main(prog_name="ivrnode")
