"""What is put around a process that works for strangers: seccomp, Landlock, limits, another user. For the process
itself to put on, after it has started and before it meets anything that it cannot trust."""
