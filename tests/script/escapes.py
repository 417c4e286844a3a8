"""The escape corpus: what a hostile script tries, and what must come of it.

Each entry is (name, outcome, source). Outcomes, as `outcome_of` tells them:

    SYS           killed by the filter                    CPU, MALFORMED, FLOOD …   killed by a limit of the core
    failed: TEXT  an exception whose last line has TEXT   done                      it ran, and got nothing for it

Nothing of Python is taken from the scripts: they find `os`, `ctypes` and the rest among the loaded modules. A script
that gets through says ESCAPED, or shows the canary.
"""

from __future__ import annotations

from typing import NamedTuple

SYS, CPU, MALFORMED, CRASHED = "a system call", "CPU limit passed", "malformed frame", "died of SIGSEGV"
CANARY = "canary-3f9a1c"


class Escape(NamedTuple):
    name: str
    outcome: str
    source: str

    def is_met_by(self, result: str) -> bool:
        return any(outcome in result for outcome in self.outcome.split(" | "))


PRELUDE = """
sys = asyncio.sys
os, ctypes = sys.modules["os"], sys.modules["ctypes"]
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = libc.mmap.restype = ctypes.c_long
def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def raw(number, *given):
    return check(libc.syscall(ctypes.c_long(number), *(ctypes.c_long(x) if isinstance(x, int) else x for x in given)))
def frame(op, number=0, payload=b""):
    return len(payload).to_bytes(4, "little") + bytes([op]) + number.to_bytes(4, "little") + payload
CANARY_FILE = {canary_file!r}
FILE = CANARY_FILE.encode()
"""


def _corpus() -> list[Escape]:
    found: list[Escape] = []

    def add(outcome: str, **sources: str) -> None:
        found.extend(Escape(name, outcome, source) for name, source in sources.items())

    add(
        "failed: PermissionError",
        file_open="open(CANARY_FILE).read()",
        file_io_open="print(asyncio.sys.modules['io'].open(CANARY_FILE).read())",
        file_os_open="print(os.read(os.open(CANARY_FILE, 0), 99))",
        file_create="os.open(CANARY_FILE + '.new', os.O_CREAT | os.O_RDWR)",
        file_openat2="raw(437, -100, CANARY_FILE.encode(), ctypes.create_string_buffer(24), 24); print('ESCAPED')",
        file_stat="print('ESCAPED', os.stat(CANARY_FILE))",
        file_list="print('ESCAPED', os.listdir('/'))",
        file_readlink="print('ESCAPED', os.readlink('/proc/self/exe'))",
        file_environ="print(sys.modules['io'].open('/proc/self/environ').read())",
        file_own_memory="sys.modules['io'].open('/proc/self/mem', 'r+b')",
        file_parent_memory="sys.modules['io'].open('/proc/1/mem', 'rb')",
        file_shm_open="check(libc.shm_open(b'/ivrnode', 66, 0o600)); print('ESCAPED')",
        terminal_input="raw(16, 3, 0x5412, ctypes.create_string_buffer(b'x')); print('ESCAPED')",
        close_link="os.close(3)",
        signal_handler="import_ = sys.modules['signal']; import_.signal(import_.SIGTERM, lambda *_: None)",
        uname="os.uname()",
        memory_mmap_module="sys.modules['mmap'].mmap(-1, 4096)",
        memory_file="check(libc.mmap(None, ctypes.c_size_t(4096), 1, 2, 3, ctypes.c_long(0)))",
        memory_shared="check(libc.mmap(None, ctypes.c_size_t(4096), 3, 0x21, -1, ctypes.c_long(0)))",
        memory_growing="check(libc.mmap(None, ctypes.c_size_t(4096), 3, 0x122, -1, ctypes.c_long(0)))",
        memory_huge_pages="check(libc.mmap(None, ctypes.c_size_t(1 << 21), 3, 0x40022, -1, ctypes.c_long(0)))",
        memory_populate="check(libc.mmap(None, ctypes.c_size_t(4096), 3, 0x8022, -1, ctypes.c_long(0)))",
        memory_run="check(libc.mmap(None, ctypes.c_size_t(4096), 7, 0x22, -1, ctypes.c_long(0)))",
        memory_high_prot="raw(9, 0, 4096, 3 | 1 << 40, 0x22, -1, 0); print('ESCAPED')",
        memory_make_run="""
at = check(libc.mmap(None, ctypes.c_size_t(4096), 3, 0x22, -1, ctypes.c_long(0)))
check(libc.mprotect(ctypes.c_void_p(at), ctypes.c_size_t(4096), 5))""",
        memory_merge="""
at = check(libc.mmap(None, ctypes.c_size_t(4096), 3, 0x22, -1, ctypes.c_long(0)))
check(libc.madvise(ctypes.c_void_p(at), ctypes.c_size_t(4096), 12))""",
    )
    add(
        "failed: OSError: [Errno 9]",
        write_stdout="os.write(1, b'ESCAPED')",
        write_stderr="os.write(2, b'ESCAPED')",
        read_stdin="os.read(0, 1)",
        write_next="os.write(4, b'ESCAPED')",
        write_high_fd="raw(1, 3 << 32 | 1, b'ESCAPED', 7)",
    )
    add(
        "failed: ModuleNotFoundError",
        import_file="sys.path.append('/tmp'); sys.modules['importlib'].import_module('evil')",
    )
    calls = {
        "pread": "17, 3, 0, 0, 0", "readv": "19, 3, 0, 0", "writev": "20, 3, 0, 0", "pipe": "22, 0", "dup": "32, 3",
        "dup2": "33, 3, 1", "sendfile": "40, 3, 3, 0, 1", "socket": "41, 2, 1, 0", "connect": "42, 3, 0, 0",
        "sendto_out_of_band": "44, 3, b'x', 1, 1, 0, 0", "recvfrom": "45, 3, 0, 0, 0, 0, 0", "sendmsg": "46, 3, 0, 0",
        "recvmsg": "47, 3, 0, 0", "shutdown": "48, 3, 2", "setsockopt": "54, 3, 1, 1, 0, 0",
        "socketpair": "53, 1, 1, 0, 0", "clone": "56, 0x11, 0, 0, 0, 0", "fork": "57", "vfork": "58",
        "execve": "59, b'/bin/sh', 0, 0", "kill_core": "62, 1, 9", "fcntl": "72, 3, 0, 0", "truncate": "76, FILE, 0",
        "chdir": "80, b'/'", "rename": "82, FILE, b'/x'", "mkdir": "83, b'/tmp/x', 511",
        "link": "86, FILE, b'/tmp/x'", "unlink": "87, FILE", "symlink": "88, b'/', b'/tmp/x'", "chmod": "90, FILE, 0",
        "chown": "92, FILE, 0, 0", "ptrace": "101, 16, 1, 0, 0", "setuid": "105, 0", "setpgid": "109, 0, 0",
        "setsid": "112", "setgroups": "116, 0, 0", "capset": "126, 0, 0", "personality": "135, 0",
        "setpriority": "141, 0, 0, 0", "mlock": "149, 0, 4096", "prctl_dumpable": "157, 4, 1, 0, 0, 0",
        "arch_prctl": "158, 0x1001, 0", "setrlimit": "160, 9, 0", "chroot": "161, b'/'",
        "mount": "165, 0, 0, 0, 0, 0", "reboot": "169, 0, 0, 0, 0", "init_module": "175, 0, 0, 0",
        "shmget": "29, 0, 4096, 0o1600", "msgget": "68, 0, 0o1600", "semget": "64, 0, 1, 0o1600",
        "tkill": "200, 1, 9", "sched_setaffinity": "203, 0, 0, 0", "io_setup": "206, 1, 0", "epoll_create": "291, 0",
        "timer_create": "222, 0, 0, 0", "tgkill": "234, 1, 1, 9", "mq_open": "240, b'x', 66, 0, 0",
        "add_key": "248, 0, 0, 0, 0, 0", "request_key": "249, 0, 0, 0, 0", "keyctl": "250, 0, 0, 0, 0, 0",
        "inotify_init": "294, 0", "unlinkat": "263, -100, FILE, 0", "unshare": "272, 0x10000000",
        "splice": "275, 3, 0, 3, 0, 1, 0", "vmsplice": "278, 3, 0, 0, 0", "signalfd": "289, -1, 0, 8, 0",
        "timerfd": "283, 0, 0", "eventfd": "290, 0, 0", "perf_event_open": "298, 0, 0, -1, -1, 0",
        "prlimit": "302, 0, 7, 0, 0", "open_by_handle": "304, 3, 0, 0", "setns": "308, 3, 0",
        "process_vm_readv": "310, 1, 0, 0, 0, 0, 0", "process_vm_writev": "311, 1, 0, 0, 0, 0, 0",
        "kcmp": "312, 1, 1, 0, 0, 0", "seccomp": "317, 1, 0, 0", "memfd_create": "319, b'x', 0",
        "bpf": "321, 0, 0, 0", "execveat": "322, 3, b'', 0, 0, 0x1000", "userfaultfd": "323, 0",
        "membarrier": "324, 0, 0, 0", "pkey_mprotect": "329, 0, 4096, 7, -1", "rseq": "334, 0, 0, 0, 0",
        "pidfd_send_signal": "424, 3, 9, 0, 0", "io_uring_setup": "425, 1, 0", "open_tree": "428, -100, b'/', 0",
        "pidfd_open": "434, 1, 0", "clone3": "435, 0, 0", "close_range": "436, 3, 3, 0",
        "pidfd_getfd": "438, 3, 0, 0", "landlock": "444, 0, 0, 1", "memfd_secret": "447, 0",
        "x32_read": "0x40000000, 3, 0, 0", "x32_open": "0x40000002, FILE, 0, 0", "beyond_the_table": "9999",
    }  # fmt: skip
    for name, arguments in calls.items():
        add(SYS, **{f"call_{name}": f"raw({arguments}); print('ESCAPED')"})
    add(
        SYS,
        python_fork="os.fork()",
        python_system="os.system('id')",
        python_spawn="os.posix_spawn('/bin/sh', ['sh'], {})",
        python_subprocess="sys.modules['subprocess'].run(['id'])",
        python_thread="sys.modules['threading'].Thread(target=print).start()",
        python_raw_thread="sys.modules['_thread'].start_new_thread(print, ())",
        python_socket="sys.modules['socket'].socket()",
        python_kill="os.kill(1, 9)",
        python_raise_limits="r = sys.modules['resource']; r.setrlimit(r.RLIMIT_AS, (-1, -1))",
        python_new_loop="asyncio.SelectorEventLoop()",
        subclasses="""
wrap = [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == "_wrap_close"][0]
wrap.__init__.__globals__["system"]("id")""",
        kill_self_by_abort="libc.abort()",
    )
    add(
        "done",
        environment="print(dict(os.environ), os.environb)",
        frame_walk="""
f = sys._getframe()
while f:
    print(sorted(f.f_globals)[:9])
    f = f.f_back""",
        gc_scan="""
needle = "-".join(["canary", "3f9a1c"])
for found in sys.modules["gc"].get_objects():
    if needle in str(vars(found) if hasattr(found, "__dict__") else found)[:1000]:
        print("ESCAPED")""",
        builtins_changed="sys.modules['builtins'].print = None; print('mine still works')",
        unblock_sleep="raw(35, (ctypes.c_long * 2)(0, 1000), 0)",
        exit_hooks="sys.modules['atexit'].register(lambda: open('/x')) if 'atexit' in sys.modules else None",
    )
    add(
        MALFORMED,
        frame_bad_json="os.write(3, frame(65, 1, b'{'))",
        frame_bad_utf8="os.write(3, frame(74, 1, bytes([255])))",
        frame_pickle="os.write(3, frame(65, 1, b'cos\\nsystem\\n(S\"id\"\\ntR.'))",
        frame_header_injection="""
os.write(3, frame(73, 1, json.dumps({"url": "ws://h", "headers": [["A", "b\\r\\nC: d", False]],
    "verify": True, "timeout": 3}).encode()))""",
    )
    add("an unknown frame", frame_unknown="os.write(3, frame(200))")
    add("a frame of", frame_garbage="os.write(3, bytes(range(9)) * 9)")
    add("a frame of", frame_giant="os.write(3, b'\\xff\\xff\\xff\\xff' + bytes(5))")
    add("acknowledges", frame_false_done="os.write(3, frame(77, 1000))", frame_twice_done="os.write(3, frame(77, 1))")
    add(
        "calls a second",
        flood_log="while True: console.log('x')",
        flood_calls="while True: call.say('x')",
        flood_log_raw="while True: os.write(3, frame(72, 5, b'x') * 100)",
    )
    add("too many bytes", flood_bytes="while True: os.write(3, frame(75, 1, bytes(1 << 13)))")
    add("more sockets", flood_sockets="""
body = json.dumps({"url": "ws://h", "headers": [], "verify": True, "timeout": 3}).encode()
for n in range(9): os.write(3, frame(73, n, body))""")  # fmt: skip
    add(
        # Python may find no memory for its MemoryError and abort, which is a forbidden call.
        f"failed: MemoryError | {SYS} | {CPU}",
        memory_bytes="b = bytearray(100 << 20)",
        memory_list="l = [0]\nwhile True: l += l",
        memory_text="s = 'x' * (1 << 20)\nwhile True: s += s",
        memory_chunks="l = []\nwhile True: l.append(bytes(1 << 20))",
        memory_small_objects="l = []\nwhile True: l.append([l] * 50)",
    )
    add("failed: OSError: [Errno 12]", memory_reserved="""
while True: check(libc.mmap(None, ctypes.c_size_t(1 << 24), 0, 0x4022, -1, ctypes.c_long(0)))""")  # fmt: skip
    add(
        CPU,
        cpu_loop="while True: pass",
        cpu_regex="import re; re.match(r'(a+)+$', 'a' * 60 + 'b')",
        cpu_bigint="x = 3\nwhile True: x = x * x",
        cpu_c_loop="sum(iter(int, 1))",
        cpu_async="async def f():\n    while True: await asyncio.sleep(0)\nawait f()",
        cpu_caught="""
while True:
    try:
        while True: pass
    except BaseException: pass""",
    )
    add(
        "failed: RecursionError",
        recursion="def f(): f()\nf()",
        recursion_repr="l = []\nfor _ in range(100_000): l = [l]\nrepr(l)",
        recursion_json="json.loads('[' * 100_000)",
    )
    add(CRASHED, read_nowhere="ctypes.string_at(8)", write_nowhere="ctypes.memset(8, 0, 1)")
    add("ended by itself", exit_at_once="os._exit(0)", exit_raw="raw(231, 0)")
    return found


CORPUS = _corpus()
