"""Who is served: tenants, their nodes and accounts, their templates and secrets. Files in, frozen dataclasses out."""
