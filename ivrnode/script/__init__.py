"""The border to a tenant's script: messages, frames and the host side; `guest/` runs in the locked-down child only."""
