import pytest
from torture_messages import plain

from ivrnode.errors import ProtocolError
from ivrnode.sip.auth_field import AuthField
from ivrnode.sip.digest import NONCE_LIFE, WINDOW, Credentials, DigestServer, authorize, digest_response
from ivrnode.sip.message import Request, parse_message

REALM = "biloxi.example.com"
BOB = Credentials("bob", "zanzibar")
HERE = "192.0.2.4:5060"
URI = f"sip:{REALM}"


def password_of(username: str) -> str | None:
    return "zanzibar" if username == "bob" else None


def server(**options: object) -> DigestServer:
    return DigestServer(b"secret", **options)  # type: ignore[arg-type]


def register(*authorizations: str, target: str = URI, method: str = "REGISTER", body: bytes = b"") -> Request:
    message = parse_message(plain(f"{method} {target} SIP/2.0", Content_Length=str(len(body))) + body)
    assert isinstance(message, Request)
    for value in authorizations:
        message.headers.add("Authorization", value)
    return message


def changed(value: str, **parameters: str | None) -> str:
    """Credentials with some parameters replaced, or left out (None), written as they were."""
    field = AuthField.parse(value)
    merged = {**field.parameters, **parameters}
    return "Digest " + ",".join(f'{name}="{text}"' for name, text in merged.items() if text is not None)


# Vectors


def test_rfc_7616_section_3_9_1() -> None:
    for algorithm, expected in (
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ):
        response = digest_response(
            algorithm,
            Credentials("Mufasa", "Circle of Life"),
            "http-auth@example.org",
            "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            "GET",
            "/dir/index.html",
            qop="auth",
            nc="00000001",
            cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        )
        assert response == expected


def test_rfc_7616_section_3_9_2_as_corrected_by_erratum_4897() -> None:
    response = digest_response(
        "SHA-512-256",
        Credentials("J\u00e4s\u00f8n Doe", "Secret, or not?"),
        "api@example.org",
        "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
        "GET",
        "/doe.json",
        qop="auth",
        nc="00000001",
        cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
    )
    assert response == "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"


def test_rfc_2617_section_3_5() -> None:
    response = digest_response(
        "MD5",
        Credentials("Mufasa", "Circle Of Life"),
        "testrealm@host.com",
        "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        "GET",
        "/dir/index.html",
        qop="auth",
        nc="00000001",
        cnonce="0a4f113b",
    )
    assert response == "6629fae49393a05397450978507c4ef1"


SIPS = ("bob", "zanzibar", "biloxi.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "INVITE", "sip:bob@biloxi.com")


def test_sip_examples_without_and_with_qop() -> None:
    """The examples commonly known for RFC 3261 s22 (draft-smith-sipping-auth-examples)."""
    username, password, realm, nonce, method, uri = SIPS
    who = Credentials(username, password)
    assert digest_response("MD5", who, realm, nonce, method, uri) == "bf57e4e0d0bffc0fbaedce64d59add5e"
    assert (
        digest_response("MD5", who, realm, nonce, method, uri, qop="auth", nc="00000001", cnonce="0a4f113b")
        == "89eb0059246c02b2f6ee02c7961d5ea3"
    )
    assert (
        digest_response(
            "MD5", who, realm, nonce, method, uri, qop="auth-int", nc="00000001", cnonce="0a4f113b",
            body=b"v=0\r\no=bob 2890844526 2890844526 IN IP4 media.biloxi.com\r\ns=-\r\nc=IN IP4 media.biloxi.com\r\n"
            b"t=0 0\r\nm=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\nm=video 51372 RTP/AVP 31\r\n"
            b"a=rtpmap:31 H261/90000\r\nm=video 53000 RTP/AVP 32\r\na=rtpmap:32 MPV/90000\r\n",
        )
        == "bdbeebb2da6adb6bca02599c2239e192"
    )  # fmt: skip


# Client and server


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256"])
@pytest.mark.parametrize("qops", [(), ("auth",), ("auth-int",), ("auth", "auth-int")])
def test_client_and_server_agree(algorithm: str, qops: tuple[str, ...]) -> None:
    house = server(algorithms=(algorithm,), qops=qops)
    challenges = house.challenges(REALM, HERE, 0.0)
    answer = authorize(challenges, BOB, "REGISTER", URI, b"body", 1)
    verdict = house.verify(register(answer, body=b"body"), REALM, password_of, HERE, 1.0)
    assert verdict.is_ok and verdict.username == "bob"
    if qops == ("auth-int",):
        answer = authorize(house.challenges(REALM, HERE, 0.0), BOB, "REGISTER", URI, b"body", 1)
        assert house.verify(register(answer, body=b"fake"), REALM, password_of, HERE, 1.0).outcome == "wrong"


def test_challenges_are_strongest_first() -> None:
    values = server().challenges(REALM, HERE, 0.0)
    fields = [AuthField.parse(value).parameters for value in values]
    assert [field["algorithm"] for field in fields] == ["SHA-256", "MD5"]
    assert all(field["realm"] == REALM and field["qop"] == "auth" and "stale" not in field for field in fields)
    assert all('qop="auth"' in value and f'realm="{REALM}"' in value for value in values)
    assert all("stale=true" in value for value in server().challenges(REALM, HERE, 0.0, is_stale=True))


def test_two_challenges_of_the_same_moment_differ() -> None:
    house = server()
    assert house.challenges(REALM, HERE, 0.0) != house.challenges(REALM, HERE, 0.0)


def test_the_strongest_known_challenge_is_answered() -> None:
    challenges = [
        'Digest realm="r", nonce="1", algorithm=MD5',
        'Digest realm="r", nonce="2", algorithm=SHA-9000, qop="auth"',
        'Digest realm="r", nonce="3", algorithm=sha-256, qop="auth,auth-int", opaque="o"',
        'Digest realm="r", nonce="4", algorithm=SHA-256, qop="unknown"',
        'Digest realm="r", algorithm=SHA-512-256',
        'Basic realm="r"',
        'Digest "',
    ]
    answer = authorize(challenges, BOB, "INVITE", "sip:a@b", b"", 1, cnonce="c")
    field = AuthField.parse(answer).parameters
    assert (field["nonce"], field["algorithm"], field["opaque"]) == ("3", "SHA-256", "o")
    assert "qop=auth," in answer and "nc=00000001," in answer and 'cnonce="c"' in answer and 'uri="sip:a@b"' in answer
    plain_answer = AuthField.parse(authorize(challenges[:1], BOB, "INVITE", "sip:a@b", b"", 1)).parameters
    assert not {"qop", "nc", "cnonce", "opaque"} & plain_answer.keys()
    assert "algorithm" not in AuthField.parse(authorize(['Digest nonce="1"'], BOB, "A", "sip:b", b"", 1)).parameters


@pytest.mark.parametrize("challenges", [[], ["Basic"], ['Digest realm="r"'], ['Digest nonce="1",algorithm=MD5-sess']])
def test_a_challenge_that_cannot_be_met(challenges: list[str]) -> None:
    with pytest.raises(ProtocolError):
        authorize(challenges, BOB, "INVITE", "sip:a@b", b"", 1)


def test_every_cnonce_is_new() -> None:
    challenge = ['Digest realm="r", nonce="1", qop="auth"']
    assert authorize(challenge, BOB, "A", "sip:b", b"", 1) != authorize(challenge, BOB, "A", "sip:b", b"", 1)


# The server's verdicts


def answered(house: DigestServer, who: Credentials = BOB, now: float = 0.0, count: int = 1) -> str:
    return authorize(house.challenges(REALM, HERE, now), who, "REGISTER", URI, b"", count)


def test_wrong_password_and_unknown_user_look_the_same() -> None:
    house = server()
    for who in (Credentials("bob", "guess"), Credentials("eve", "zanzibar"), Credentials("bob", "")):
        assert house.verify(register(answered(house, who)), REALM, password_of, HERE, 0.0).outcome == "wrong"


def test_an_unknown_user_costs_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    house = server()
    hashed = []
    original = digest_response

    def counting(*arguments: object, **options: object) -> str:
        hashed.append(arguments)
        return original(*arguments, **options)  # type: ignore[arg-type]

    requests = [register(answered(house, who)) for who in (Credentials("bob", "guess"), Credentials("eve", "guess"))]
    monkeypatch.setattr("ivrnode.sip.digest.digest_response", counting)
    for request in requests:
        house.verify(request, REALM, password_of, HERE, 0.0)
    assert len(hashed) == 2


def test_the_decoy_password_is_nobodys() -> None:
    house = server()
    answer = answered(house, Credentials("eve", house._decoy()))
    assert house.verify(register(answer), REALM, password_of, HERE, 0.0).outcome == "wrong"


def test_replay() -> None:
    house = server()
    challenges = house.challenges(REALM, HERE, 0.0)

    def outcome(count: int) -> str:
        answer = authorize(challenges, BOB, "REGISTER", URI, b"", count)
        return house.verify(register(answer), REALM, password_of, HERE, 1.0).outcome

    assert [outcome(count) for count in (1, 1, 3, 2, 2, 3)] == ["ok", "replayed", "ok", "ok", "replayed", "replayed"]
    assert outcome(0xFFFFFFFF) == "ok"  # a leap costs no memory
    assert outcome(0xFFFFFFFF - WINDOW + 1) == "ok"
    assert outcome(0xFFFFFFFF - WINDOW) == "replayed"  # too far behind to know


def test_an_answer_without_counts_serves_once() -> None:
    house = server()
    challenge = [changed(value, qop=None) for value in house.challenges(REALM, HERE, 0.0)[:1]]
    for expected in ("ok", "replayed"):
        answer = authorize(challenge, BOB, "REGISTER", URI, b"", 1)
        assert house.verify(register(answer), REALM, password_of, HERE, 0.0).outcome == expected


def test_a_nonce_grows_stale() -> None:
    house = server()
    answer = answered(house)
    assert house.verify(register(answer), REALM, password_of, HERE, NONCE_LIFE + 0.1).outcome == "stale"
    assert house.verify(register(answer), REALM, password_of, HERE, NONCE_LIFE).outcome == "ok"


def test_a_nonce_is_for_its_source_realm_and_house() -> None:
    house = server()
    answer = answered(house)
    assert house.verify(register(answer), REALM, password_of, "198.51.100.1:5060", 0.0).outcome == "stale"
    assert DigestServer(b"other").verify(register(answer), REALM, password_of, HERE, 0.0).outcome == "stale"
    elsewhere = changed(answer, realm="other.example")
    assert house.verify(register(elsewhere), "other.example", password_of, HERE, 0.0).outcome == "stale"


def test_a_foreign_nonce_says_nothing_about_the_password() -> None:
    house = server()
    for nonce in ("", "x", "0" * 64, "é", "f" * 200):
        for password in ("zanzibar", "guess"):
            answer = authorize(
                [f'Digest realm="{REALM}", nonce="{nonce}"'], Credentials("bob", password), "REGISTER", URI, b"", 1
            )
            assert house.verify(register(answer), REALM, password_of, HERE, 0.0).outcome == "stale"


@pytest.mark.parametrize(
    "parameters",
    [
        {"realm": "other"},
        {"username": None},
        {"nonce": None},
        {"uri": None},
        {"response": None},
        {"algorithm": "SHA-512-256"},
        {"algorithm": "none"},
        {"qop": "auth-int"},
        {"qop": "x"},
        {"nc": "1"},
        {"nc": "0000000g"},
        {"nc": None},
        {"cnonce": None},
    ],
)
def test_absent(parameters: dict[str, str | None]) -> None:
    house = server()
    answer = changed(answered(house), **parameters)
    assert house.verify(register(answer), REALM, password_of, HERE, 0.0).outcome == "absent"


def test_absent_when_there_is_none_of_ours() -> None:
    house = server()
    assert house.verify(register(), REALM, password_of, HERE, 0.0).outcome == "absent"
    others = register("Basic Ym9iOng=", 'Digest "', "NoOneKnowsThisScheme opaque-data=here")
    assert house.verify(others, REALM, password_of, HERE, 0.0).outcome == "absent"
    mixed = register("NoOneKnowsThisScheme opaque-data=here", answered(house))
    assert house.verify(mixed, REALM, password_of, HERE, 0.0).is_ok


@pytest.mark.parametrize(
    "parameters", [{"response": "0" * 64}, {"response": ""}, {"response": "é"}, {"nc": "00000002"}]
)
def test_wrong(parameters: dict[str, str]) -> None:
    house = server()
    answer = changed(answered(house), **parameters)
    assert house.verify(register(answer), REALM, password_of, HERE, 0.0).outcome == "wrong"


@pytest.mark.parametrize(
    ("uri", "target", "outcome"),
    [
        ("sip:bob@biloxi.example.com", "sip:bob@biloxi.example.com;transport=tcp", "ok"),
        ("sip:bob@biloxi.example.com:5060", "sip:bob@10.0.0.1", "ok"),
        ("sip:bob@10.0.0.1", "sip:bob@10.0.0.1", "ok"),
        ("sip:b%6Fb@10.0.0.1", "sip:bob@10.0.0.1", "ok"),
        ("sip:eve@biloxi.example.com", "sip:bob@biloxi.example.com", "wrong"),
        ("sip:bob@elsewhere.example", "sip:bob@10.0.0.1", "wrong"),
        ("bob", "sip:bob@10.0.0.1", "wrong"),
    ],
)
def test_the_digests_uri_must_mean_the_request(uri: str, target: str, outcome: str) -> None:
    house = server()
    answer = authorize(house.challenges(REALM, HERE, 0.0), BOB, "INVITE", uri, b"", 1)
    request = register(answer, target=target, method="INVITE")
    assert house.verify(request, REALM, password_of, HERE, 0.0).outcome == outcome


def test_the_method_counts() -> None:
    house = server()
    assert house.verify(register(answered(house), method="INVITE"), REALM, password_of, HERE, 0.0).outcome == "wrong"


def test_counts_are_forgotten_with_their_nonces() -> None:
    house = server()
    for second in range(200):
        assert house.verify(register(answered(house, now=second)), REALM, password_of, HERE, second).is_ok
    assert len(house._counts) <= NONCE_LIFE + 1
