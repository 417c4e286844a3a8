"""The fixture that tenants get. By name, so that it is there also where the package's entry point is not installed."""

from ivrnode.testing import ivr, ivrnode_studio

__all__ = ["ivr", "ivrnode_studio"]
