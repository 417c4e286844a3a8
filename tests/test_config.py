"""`ivrnode.toml`: the defaults, the way in of every key, the words for every wrong one."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from ivrnode.config import Config, Listen
from ivrnode.errors import ConfigError
from ivrnode.log import Log
from ivrnode.tenancy.document import Document
from ivrnode.tenancy.secrets import Secret

HERE = Path("/srv/ivrnode")


def read(text: str, **environ: str) -> Config:
    return Config.read(Document(text, "ivrnode.toml", HERE), environ)


def test_without_a_file_everything_has_a_default() -> None:
    config = read("")
    assert config.tenants == HERE / "tenants"
    assert config.sip.listen == (Listen("udp", "0.0.0.0", 5060), Listen("tcp", "0.0.0.0", 5060))
    assert config.media.ports == (10000, 20000)
    assert config.log.console
    assert config.log.file is None
    assert config.control.socket == HERE / "var" / "control.sock"
    assert config.secrets == {}


def test_the_file_in_the_current_folder_counts_if_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Config.load(None, {}).tenants == Path("tenants")
    (tmp_path / "ivrnode.toml").write_text('tenants = "t"\n')
    assert Config.load(None, {}).tenants == Path("t")


def test_paths_start_at_the_file(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text('[log]\nfile = "log/all.jsonl"\n')
    config = Config.load(tmp_path / "my.toml", {})
    assert config.log.file == tmp_path / "log" / "all.jsonl"
    assert config.speech.cache == tmp_path / "var" / "speech"


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file or directory"):
        Config.load(tmp_path / "none.toml", {})


def test_every_key_arrives() -> None:
    config = read("""
        tenants = "/t"
        [sip]
        listen = ["udp:127.0.0.1:0", "tcp:[::1]:5070"]
        external_host = "pbx.example.com"
        local_nets = ["10.0.0.0/8"]
        [media]
        ports = [0, 0]
        address = "192.0.2.1"
        in_process = true
        [scripts]
        memory_mb = 32
        cpu_ms_per_event = 100
        cpu_ms_start = 500
        pool = 2
        max_calls = 9
        connect_to = ["127.0.0.1:8080"]
        [log]
        console = false
        file = "/var/log/ivrnode"
        file_mb = 1
        file_keep = 0
        [log.levels]
        SIP = 9
        [speech]
        cache = "/c"
        cache_mb = 3
        [speech.voices]
        en = "en-GB"
        [control]
        socket = "/run/ivrnode"
        [settings]
        model = "m"
        [secrets.crm]
        value = "key"
        hosts = ["crm.example"]
        """)
    assert config.tenants == Path("/t")
    assert [str(listen) for listen in config.sip.listen] == ["udp:127.0.0.1:0", "tcp:[::1]:5070"]
    assert config.sip.external_host == "pbx.example.com"
    assert config.sip.local_nets == (ipaddress.ip_network("10.0.0.0/8"),)
    assert (config.media.ports, config.media.address, config.media.in_process) == ((0, 0), "192.0.2.1", True)
    assert (config.scripts.pool, config.scripts.max_calls) == (2, 9)
    assert config.scripts.connect_to == ("127.0.0.1:8080",)
    limits = config.scripts.limits
    assert (limits.memory, limits.address_space) == (32 << 20, 64 << 20)
    assert (limits.cpu_event_ms, limits.cpu_start_ms) == (100, 500)
    assert (config.log.console, config.log.file) == (False, Path("/var/log/ivrnode"))
    assert (config.log.file_mb, config.log.file_keep) == (1, 0)
    assert (config.speech.cache, config.speech.cache_bytes) == (Path("/c"), 3 << 20)
    assert config.speech.voices == {"en": "en-GB"}
    assert config.control.socket == Path("/run/ivrnode")
    assert config.settings == {"model": "m"}
    assert config.secrets == {"crm": Secret("crm", "key", ("crm.example",))}


def test_the_default_limits_are_those_of_the_script_room() -> None:
    from ivrnode.script.limits import Limits

    assert read("").scripts.limits == Limits()


LISTEN = 'a list of addresses, as in ["udp:0.0.0.0:5060", "tcp:[::]:5060"]'
PORTS = "the first and the last port, within 1024 and 65535, as in [10000, 20000], or [0, 0] for any"
HOSTS = 'the hosts that may receive it, as in ["api.example.com", "*.example.org"], without scheme and port'
SECTIONS = "tenants, sip, guard, media, scripts, log, speech, recordings, web, mail, sms, control, settings, secrets"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sipp = 1", '1: sipp: unknown key "sipp": did you mean "sip"?'),
        ("port = 1", f'1: port: unknown key "port": known here: {SECTIONS}'),
        ("tenants = 1", "1: tenants: is 1, must be text (a path)"),
        ("sip = 1", "1: sip: is 1, must be a table: write [sip]"),
        ("[sip]\nlisten = []", f"2: sip.listen: is [], must be {LISTEN}"),
        ("[sip]\nlisten = 'udp:0.0.0.0:5060'", f'2: sip.listen: is "udp:0.0.0.0:5060", must be {LISTEN}'),
        ("[sip]\nlisten = ['tls:0.0.0.0:1']", f'2: sip.listen: is ["tls:0.0.0.0:1"], must be {LISTEN}'),
        ("[sip]\nlisten = ['udp:0.0.0.0:65536']", f'2: sip.listen: is ["udp:0.0.0.0:65536"], must be {LISTEN}'),
        (
            "[sip]\nlisten = [\n'udp:pbx:1']",
            f"2: sip.listen: is [\"udp:pbx:1\"], must be {LISTEN}: 'pbx' is no address of an interface",
        ),
        (
            "[sip]\nexternal_host = 'https://x'",
            '2: sip.external_host: is "https://x", must be a host name or address, without scheme and port',
        ),
        (
            "[scripts]\nconnect_to = ['127.0.0.1:x']",
            '2: scripts.connect_to: is ["127.0.0.1:x"], must be a list of hosts and networks: '
            "'127.0.0.1:x' has no port from 1 to 65535 after the colon",
        ),
        (
            "[sip]\ndigest = ['SHA1']",
            '2: sip.digest: is ["SHA1"], must be a list of one or more of SHA-512-256, SHA-256, MD5',
        ),
        (
            "[sip]\nlocal_nets = ['10.0.0.1/8']",
            '2: sip.local_nets: is ["10.0.0.1/8"], must be a list of networks, as in '
            '["10.0.0.0/8", "fd00::/8"]: 10.0.0.1/8 has host bits set',
        ),
        (
            "[sip]\nlocal_nets = '10.0.0.0/8'",
            '2: sip.local_nets: is "10.0.0.0/8", must be a list of networks, as in ["10.0.0.0/8", "fd00::/8"]',
        ),
        ("[media]\nports = '10-20'", f'2: media.ports: is "10-20", must be {PORTS}'),
        ("[media]\nports = [20000, 10000]", f"2: media.ports: is [20000, 10000], must be {PORTS}"),
        ("[media]\nports = [0, 100]", f"2: media.ports: is [0, 100], must be {PORTS}"),
        (
            "[media]\naddress = 'pbx'",
            '2: media.address: is "pbx", must be an address of this machine, as in "192.0.2.10"',
        ),
        ("[media]\nin_process = 'yes'", '2: media.in_process: is "yes", must be true or false'),
        ("[scripts]\nmemory_mb = 7", "2: scripts.memory_mb: is 7, must be from 8 to 4096"),
        ("[scripts]\ncpu_ms_per_event = 0", "2: scripts.cpu_ms_per_event: is 0, must be from 10 to 60000"),
        ("[scripts]\ncpu_ms_start = 0", "2: scripts.cpu_ms_start: is 0, must be from 50 to 60000"),
        ("[scripts]\npool = 0", "2: scripts.pool: is 0, must be from 1 to 64"),
        ("[scripts]\nmax_calls = 0", "2: scripts.max_calls: is 0, must be from 1 to 100000"),
        (
            "[scripts]\nconnect_to = 'h'",
            '2: scripts.connect_to: is "h", must be a list of hosts and networks, as in '
            '["127.0.0.1:8080", "10.0.0.0/8"]',
        ),
        ("[log]\nconsole = 1", "2: log.console: is 1, must be true or false"),
        ("[log]\nfile = true", "2: log.file: is true, must be text (a path)"),
        ("[log]\nfile_mb = 0", "2: log.file_mb: is 0, must be from 1 to 100000"),
        ("[log]\nfile_keep = -1", "2: log.file_keep: is -1, must be from 0 to 1000"),
        ("[log.levels]\nSIP = 10", "2: log.levels.SIP: is 10, must be from 0 to 9"),
        ("[log.levels]\nSIP = '9'", '2: log.levels.SIP: is "9", must be a whole number'),
        ("[log.levels]\nSCRIPTS = 9", '2: log.levels.SCRIPTS: unknown category "SCRIPTS": did you mean "SCRIPT"?'),
        ("[speech]\ncache = 1", "2: speech.cache: is 1, must be text (a path)"),
        ("[speech]\ncache_mb = -1", "2: speech.cache_mb: is -1, must be from 0 to 1000000"),
        ("[speech.voices]\nen = 1", "2: speech.voices.en: is 1, must be text"),
        ("[control]\nsockets = 'x'", '2: control.sockets: unknown key "sockets": did you mean "socket"?'),
        (
            "[mail]\nhost = 'mx.example'\nsecret = 'smtp'",
            '3: mail.secret: there is no [secrets.smtp]: add it, with value, env or file, and hosts = ["mx.example"]',
        ),
        (
            "[sms]\nurl = 'https://sms.example'\nsecret = 'smss'\n[secrets.sms]\nvalue = 'x'\nhosts = ['sms.example']",
            "3: sms.secret: there is no [secrets.smss]: did you mean sms?",
        ),
        ("[secrets.a]\nvalue = 'x'", '1: secrets.a: hosts is missing: add hosts = ["..."]'),
        ("[secrets.a]\nvalue = 'x'\nhosts = []", f"3: secrets.a.hosts: is [], must be {HOSTS}"),
        ("[secrets.a]\nhosts = ['https://x']", f'2: secrets.a.hosts: is ["https://x"], must be {HOSTS}'),
        ("[secrets.a]\nhosts = ['*']", f'2: secrets.a.hosts: is ["*"], must be {HOSTS}'),
        ("[secrets.a]\nhosts = ['x']", "1: secrets.a: needs exactly one of value, env and file"),
        ("[secrets.a]\nhosts=['x']\nvalue='v'\nenv='E'", "1: secrets.a: needs exactly one of value, env and file"),
        (
            "[secrets.a]\nhosts=['x']\nvalue=\"v\\n\"",
            "3: secrets.a.value: the secret holds a character that no header may carry (RFC 9110 s5.5)",
        ),
        (
            "[secrets.a]\nhosts=['x']\nfile='gone'",
            "3: secrets.a.file: /srv/ivrnode/gone cannot be read: No such file or directory",
        ),
        (
            "[secrets.'a b']\nhosts=['x']",
            "1: secrets.\"a b\": 'a b' cannot be a name here: use up to 40 letters, digits, - and _",
        ),
    ],
)
def test_what_is_wrong_and_where(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert str(caught.value) == f"ivrnode.toml:{message}"


def test_unsafe_scripts_are_no_configuration() -> None:
    with pytest.raises(ConfigError, match='unknown key "unsafe_scripts"'):
        read("[scripts]\nunsafe_scripts = true")


def test_a_socket_path_that_no_system_takes() -> None:
    with pytest.raises(ConfigError) as caught:
        read(f"[control]\nsocket = '/{'x' * 107}'")
    assert str(caught.value).startswith("ivrnode.toml:2: control.socket: /xxx")
    assert str(caught.value).endswith("is longer than 107 bytes: name a shorter path")
    assert read(f"[control]\nsocket = '/{'x' * 106}'").control.socket.name == "x" * 106


def test_the_key_of_the_environment_is_the_secret_openai() -> None:
    assert read("", OPENAI_API_KEY="sk-1").secrets["openai"] == Secret("openai", "sk-1", ("api.openai.com",))
    own = "[secrets.openai]\nvalue = 'own'\nhosts = ['proxy.example']"
    assert read(own, OPENAI_API_KEY="sk-1").secrets["openai"].value == "own"


def test_a_variable_that_is_not_set_leaves_its_secret_out() -> None:
    text = "[secrets.crm]\nenv = 'CRM'\nhosts = ['x']"
    assert read(text).secrets == {}
    assert read(text, CRM="k").secrets["crm"].value == "k"
    assert read("[secrets.openai]\nenv = 'MINE'\nhosts = ['x']", OPENAI_API_KEY="sk-1").secrets == {}


def test_a_secret_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-2\n")
    config = tmp_path / "ivrnode.toml"
    config.write_text('[secrets.a]\nfile = "key"\nhosts = ["x"]\n')
    assert Config.load(config, {}).secrets["a"].value == "sk-2"
    (tmp_path / "key").write_text("\n")
    with pytest.raises(ConfigError, match=r"ivrnode\.toml:2: secrets\.a\.file: .*key is empty"):
        Config.load(config, {})


def test_sets_up_the_log() -> None:
    log = Log()
    lines: list[str] = []
    log.add_sink(lambda entry: lines.append(entry.text))
    read("[log.levels]\nSIP = 7", OPENAI_API_KEY="sk-12345").set_up(log)
    log.write("SIP", 7, "with sk-12345 in it")
    log.write("MEDIA", 7, "not shown")
    assert lines == ["with *** in it"]


def test_no_repr_shows_a_secret() -> None:
    assert "sk-12345" not in repr(read("", OPENAI_API_KEY="sk-12345"))
