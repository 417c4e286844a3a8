"""`make demo`: the whole product on one screen. A stage (core and stand-in as child processes), a caller, a screen."""
