"""What runs in the locked-down child only: zygote, lock-down, worker, and the API that a script sees.

Standard library only: these processes start with `-I -S` and an empty environment. After the lock-down nothing can be
read from a disk, so everything that may ever be imported is imported by the zygote.
"""
