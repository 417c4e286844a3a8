"""A system without seccomp, for one process and its children: the beginning of a program that runs there."""

NO_SECCOMP = """
import errno, platform, struct
from ivrnode.walls import kernel, seccomp
from ivrnode.walls.seccomp import _ALLOW, _ERRNO, _LOAD, _JUMP_EQUAL, _NUMBER, _answer, _low
def case(number, block):
    return [(_JUMP_EQUAL, 0, len(block), number), *block]
# seccomp(2) and PR_SET_SECCOMP do as if the kernel had been built without them.
column, _ = seccomp.ARCHITECTURES[platform.machine()]
no = _answer(_ERRNO | errno.ENOSYS)
program = [(_LOAD, 0, 0, _NUMBER), *case(seccomp._number("seccomp"), [no])]
program += [*case((157, 167)[column], [_low(0), *case(22, [no]), _answer(_ALLOW)]), _answer(_ALLOW)]
kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
seccomp.install(b"".join(struct.pack("<HBBI", *one) for one in program))
"""
