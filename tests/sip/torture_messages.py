"""The cases of RFC 4475 and RFC 5118, each with the verdict this house gives and why.

Verdict: "accept" (a message), a status (refused with that answer), "drop" (refused without an answer).
What a later layer makes of an accepted message (420, 415, 483, ...) stands in `then`.
"""

from dataclasses import dataclass

SDP = b"v=0\r\no=mhandley 29739 7272939 IN IP4 192.0.2.3\r\ns=-\r\nc=IN IP4 192.0.2.4\r\nt=0 0\r\nm=audio 49217 RTP/AVP 0 12\r\nm=video 3227 RTP/AVP 31\r\na=rtpmap:31 LPC\r\n"  # noqa: E501


@dataclass(frozen=True)
class Case:
    name: str
    section: str
    verdict: str | int
    data: bytes
    then: str = ""


def lines(text: str, body: bytes = b"") -> bytes:
    """Lines of `text` with CRLF; `@` as Content-Length becomes the length of `body`."""
    head = text.strip("\n").replace("\n", "\r\n").encode()
    return head.replace(b": @", b": %d" % len(body)) + b"\r\n\r\n" + body


def plain(request_line: str, **changed: str | None) -> bytes:
    """An OPTIONS-like request whose fields are replaced by `changed`; None leaves a field out."""
    method = request_line.split(" ", 1)[0]
    headers: dict[str, str | None] = {
        "Via": "SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdjuw2349i",
        "Max-Forwards": "70",
        "From": "<sip:caller@example.net>;tag=93942939o2",
        "To": "<sip:user@example.com>",
        "Call-ID": "torture.0ha0isndaksdj10",
        "CSeq": f"8 {method}",
        "Content-Length": "0",
    }
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    shown = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([request_line, *shown, "", ""]).encode()


OPTIONS = "OPTIONS sip:user@example.com SIP/2.0"
INVITE = "INVITE sip:user@example.com SIP/2.0"
REGISTER = "REGISTER sip:example.com SIP/2.0"

WSINV = lines(
    """
INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0
TO :
 sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n
from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>
  ;
  tag = 98asjd8
MaX-fOrWaRdS: 0068
Call-ID: wsinv.ndaksdj@192.0.2.1
Content-Length   : @
cseq: 0009
  INVITE
Via  : SIP  /   2.0
 /UDP
    192.0.2.2;branch=390skdjuw
s :
NewFangledHeader:   newfangled value
 continued newfangled value
UnknownHeaderWithUnusualValue: ;;,,;;,;
Content-Type: application/sdp
Route:
 <sip:services.example.com;lr;unknownwith=value;unknown-no-value>
v:  SIP  / 2.0  / TCP     spindle.example.com   ;
  branch  =   z9hG4bK9ikj8  ,
 SIP  /    2.0   / UDP  192.168.255.111   ; branch=
 z9hG4bK30239
m:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =
      newvalue ;
  secondparam ; q = 0.33
""",
    SDP,
)

INTMETH = lines(
    """
!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0
Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~
To: "BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>
From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%="\u0440\u0430\u0431\u043e\u0442\u0430\u044e\u0449\u0438\u0439";tag=_token~1'+`*%!-.
Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/"][?}{
CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~
Max-Forwards: 255
extensionHeader-!.%*+_`'~:\ufeff\u5927\u505c\u96fb
Content-Length: 0
"""  # noqa: E501
)

MPART01_BODY = (
    b"--7a9cbec02ceef655\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\nHello\r\n"
    b"--7a9cbec02ceef655\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    b"0\x82\x01R\x06\t*\x86H\x86\xf7\r\x01\x07\x02\xa0\x82\x01C0\x82\x01?\x02\x01\x01\x00\r\n"
    b"--7a9cbec02ceef655--"
)

LONG = "very" * 60
LONGREQ = lines(
    f"""
INVITE sip:user@example.com SIP/2.0
To: "I have a user name of {"extreme" * 10} proportion"<sip:user@example.com:6000;unknownparam1={LONG}longvalue;longparam{"name" * 30}=shortvalue;{"very" * 40}longParameterNameWithNoValue>
F: sip:{"amazinglylongcallername" * 5}@example.net;tag=12{"982424" * 50}424;unknownheaderparam{"name" * 20}=unknowheaderparam{"value" * 15};unknownValueless{"paramname" * 10}
Call-ID: longreq.one{"really" * 20}longcallid
CSeq: 3882340 INVITE
Unknown-{"Long" * 20}-Name: unknown-{"long" * 20}-value; unknown-{"long" * 20}-parameter-name = unknown-{"long" * 20}-parameter-value
Via: SIP/2.0/TCP sip33.example.com
v: SIP/2.0/TCP sip32.example.com
V: SIP/2.0/TCP sip31.example.com
Via: {", ".join(f"SIP/2.0/TCP sip{number}.example.com" for number in range(30, 0, -1))}
v: SIP/2.0/TCP host.example.com;received=192.0.2.5;branch=very{LONG}longbranchvalue
Max-Forwards: 70
Contact: <sip:{"amazinglylongcallername" * 5}@host5.example.net>
Content-Type: application/sdp
l: @
""",  # noqa: E501
    SDP,
)

SEMIURI = plain("OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0", To="sip:j_user@example.com")

RFC4475 = [
    Case("wsinv", "3.1.1.1", "accept", WSINV),
    Case("intmeth", "3.1.1.2", "accept", INTMETH, then="501"),
    Case(
        "esc01",
        "3.1.1.3",
        "accept",
        plain(
            "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0",
            To="sip:%75se%72@example.com",
            From="<sip:I%20have%20spaces@example.net>;tag=938",
            Contact="<sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>",
        ),
    ),
    Case(
        "escnull",
        "3.1.1.4",
        "accept",
        plain(
            REGISTER,
            To="sip:null-%00-null@example.com",
            From="sip:null-%00-null@example.com;tag=839923423",
            Contact="<sip:%00@host5.example.com>, <sip:%00%00@host5.example.com>",
        ),
    ),
    Case(
        "esc02",
        "3.1.1.5",
        "accept",
        plain(
            "RE%47IST%45R sip:registrar.example.com SIP/2.0",
            To='"%Z%45" <sip:resource@example.com>',
            From='"%Z%45" <sip:resource@example.com>;tag=f232jadfj23',
            Contact="<sip:alias1@host1.example.com>, <sip:alias2@host2.example.com>",
        ),
        then="501",
    ),
    Case(
        "lwsdisp",
        "3.1.1.6",
        "accept",
        plain(OPTIONS, To="sip:user@example.com", From="caller<sip:caller@example.com>;tag=323"),
    ),
    Case("longreq", "3.1.1.7", "accept", LONGREQ),
    Case("dblreq", "3.1.1.8", "accept", plain(REGISTER) + plain(INVITE)),
    Case("semiuri", "3.1.1.9", "accept", SEMIURI),
    Case(
        "transports",
        "3.1.1.10",
        "accept",
        plain(
            OPTIONS,
            Via="SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw, SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf, "
            "SIP/2.0/TLS t3.example.com;branch=z9hG4bK2980unddj, SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f, "
            "SIP/2.0/TCP t5.example.com;branch=z9hG4bK0a9idfnee",
        ),
    ),
    Case(
        "mpart01",
        "3.1.1.11",
        "accept",
        plain(
            "MESSAGE sip:kumiko@example.org SIP/2.0",
            Content_Type="multipart/mixed;boundary=7a9cbec02ceef655",
            Content_Length=str(len(MPART01_BODY)),
        )
        + MPART01_BODY,
    ),
    Case(
        "unreason",
        "3.1.1.12",
        "accept",
        plain(
            "SIP/2.0 200 = 2**3 * 5**2 \u043d\u043e \u0441\u0442\u043e - \u043f\u0440\u043e\u0441\u0442\u043e\u0435",
            CSeq="35 INVITE",
            To="<sip:user@example.com>;tag=2229",
        ),
    ),
    Case("noreason", "3.1.1.13", "accept", plain("SIP/2.0 100 ", CSeq="35 INVITE")),
    Case(
        "badinv01",
        "3.1.2.1",
        400,
        plain(INVITE, Contact='"Joe" <sip:joe@example.org>;;;;'),
    ),
    Case("badinv01 Via", "3.1.2.1", "drop", plain(INVITE, Via="SIP/2.0/UDP 192.0.2.15;;,;,,")),
    Case("clerr", "3.1.2.2", 400, plain(INVITE, Content_Length="9999") + SDP),
    Case("ncl", "3.1.2.3", 400, plain(INVITE, Content_Length="-999") + SDP),
    Case("scalar02 CSeq", "3.1.2.4", 400, plain(REGISTER, CSeq="36893488147419103232 REGISTER")),
    Case("scalar02 Max-Forwards", "3.1.2.4", 400, plain(REGISTER, Max_Forwards="300")),
    Case("scalar02 Expires", "3.1.2.4", 400, plain(REGISTER, Expires="10000000000")),
    Case(
        "scalarlg",
        "3.1.2.5",
        "drop",
        plain(
            "SIP/2.0 503 Service Unavailable",
            CSeq="9292394834772304023312 OPTIONS",
            Retry_After="949302838503028349304023988",
        ),
    ),
    Case("quotbal", "3.1.2.6", 400, plain(INVITE, To='"Mr. J. User <sip:j.user@example.com>')),
    Case("ltgtruri", "3.1.2.7", 400, plain("INVITE <sip:user@example.com> SIP/2.0")),
    Case("lwsruri", "3.1.2.8", 400, plain("INVITE sip:user@example.com; lr SIP/2.0")),
    Case("lwsstart", "3.1.2.9", 400, plain("INVITE  sip:user@example.com  SIP/2.0")),
    Case("trws", "3.1.2.10", 400, plain("OPTIONS sip:remote-target@example.com SIP/2.0  ")),
    Case("escruri", "3.1.2.11", 400, plain("INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0")),
    # The RFC lets us ignore what we do not need: nothing here reads Date.
    Case("baddate", "3.1.2.12", "accept", plain(INVITE, Date="Fri, 01 Jan 2010 16:00:00 EST")),
    Case(
        "regbadct",
        "3.1.2.13",
        400,
        plain(REGISTER, Contact="sip:user@example.com?Route=%3Csip:sip.example.com%3E"),
    ),
    Case("badaspec", "3.1.2.14", 400, plain(OPTIONS, To='"Watson, Thomas" < sip:t.watson@example.org >')),
    Case("baddn", "3.1.2.15", 400, plain(OPTIONS, From="Bell, Alexander <sip:a.g.bell@example.com>;tag=43")),
    Case("badvers", "3.1.2.16", 505, plain("OPTIONS sip:t.watson@example.org SIP/7.0")),
    Case("mismatch01", "3.1.2.17", 400, plain(OPTIONS, CSeq="8 INVITE")),
    Case("mismatch02", "3.1.2.18", 400, plain("NEWMETHOD sip:user@example.com SIP/2.0", CSeq="8 INVITE")),
    Case(
        "bigcode",
        "3.1.2.19",
        "drop",
        plain("SIP/2.0 4294967301 better not break the receiver", CSeq="353494 INVITE"),
    ),
    Case(
        "badbranch",
        "3.2.1",
        "accept",
        plain(OPTIONS, Via="SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"),
        then="matched by the RFC 2543 rule",
    ),
    Case("insuf", "3.3.1", 400, plain(INVITE, Call_ID=None, From=None, To=None)),
    Case("unkscm", "3.3.2", 416, plain("OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0")),
    Case("novelsc", "3.3.3", 416, plain("OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0")),
    Case(
        "unksm2",
        "3.3.4",
        "accept",
        plain(
            REGISTER,
            To="isbn:2983792873",
            From="<http://www.example.com>;tag=3234233",
            Contact="<name:John_Smith>",
        ),
        then="the registrar's refusal",
    ),
    Case(
        "bext01",
        "3.3.5",
        "accept",
        plain(OPTIONS, Require="nothingSupportsThis, nothingSupportsThisEither", Proxy_Require="noProxiesSupportThis"),
        then="420",
    ),
    Case(
        "invut",
        "3.3.6",
        "accept",
        plain(INVITE, Content_Type="application/unknownformat", Content_Length="40")
        + b"<audio>\r\n <pcmu port='443'/>\r\n</audio>\r\n",
        then="415",
    ),
    Case("regaut01", "3.3.7", "accept", plain(REGISTER, Authorization="NoOneKnowsThisScheme opaque-data=here"), "401"),
    Case("multi01 From", "3.3.8", 400, plain(INVITE, from_="x").replace(b"from-: x", b"From: <sip:a@b>;tag=3")),
    Case("multi01 CSeq", "3.3.8", 400, plain(INVITE, from_="x").replace(b"from-: x", b"CSeq: 59 INVITE")),
    Case("multi01 Call-ID", "3.3.8", 400, plain(INVITE, from_="x").replace(b"from-: x", b"i: multi01.2")),
    Case("multi01 To", "3.3.8", 400, plain(INVITE, from_="x").replace(b"from-: x", b"t: <sip:a@b>")),
    Case("multi01 Max-Forwards", "3.3.8", 400, plain(INVITE, from_="x").replace(b"from-: x", b"Max-Forwards: 5")),
    Case("mcl01", "3.3.9", 400, plain(OPTIONS, L="5") + b"There's no way to know how many octets"),
    Case(
        "bcast",
        "3.3.10",
        "accept",
        plain(
            "SIP/2.0 200 OK",
            CSeq="59 INVITE",
            Via="SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923, SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23",
        ),
        then="dropped: more than one Via",
    ),
    Case("zeromf", "3.3.11", "accept", plain(OPTIONS, Max_Forwards="0"), then="483 or an answer as UAS"),
    Case("cparam01", "3.3.12", "accept", plain(REGISTER, Contact="<sip:+19725552222@gw1.example.net>;unknownparam")),
    Case("cparam02", "3.3.13", "accept", plain(REGISTER, Contact="<sip:+19725552222@gw1.example.net;unknownparam>")),
    Case(
        "regescrt",
        "3.3.14",
        "accept",
        plain(REGISTER, Contact="<sip:user@example.com?Route=%3Csip:sip.example.com%3E>"),
    ),
    Case("sdp01", "3.3.15", "accept", plain(INVITE, Accept="text/nobodyKnowsThis"), then="406"),
    Case(
        "inv2543",
        "3.4.1",
        "accept",
        plain(
            "INVITE sip:UserB@example.com SIP/2.0",
            Via="SIP/2.0/UDP iftgw.example.com",
            From="<sip:+13035551111@ift.client.example.net;user=phone>",
            To="sip:+16505552222@ss1.example.net;user=phone",
            Max_Forwards=None,
        ),
    ),
]

V6 = "SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111"

RFC5118 = [
    Case(
        "ipv6-good",
        "4.1",
        "accept",
        plain("REGISTER sip:[2001:db8::10] SIP/2.0", Via=V6, Contact='"Caller" <sip:caller@[2001:db8::1]>'),
    ),
    Case("ipv6-bad", "4.2", 400, plain("REGISTER sip:2001:db8::10 SIP/2.0", Via=V6)),
    Case("port-ambiguous", "4.3", "accept", plain("REGISTER sip:[2001:db8::10:5070] SIP/2.0", Via=V6)),
    Case("port-unambiguous", "4.4", "accept", plain("REGISTER sip:[2001:db8::10]:5070 SIP/2.0", Via=V6)),
    Case(
        "via-received-param-with-delim",
        "4.5",
        "accept",
        plain("BYE sip:[2001:db8::10] SIP/2.0", Via=f"{V6};received=[2001:db8::9:255]"),
    ),
    Case(
        "via-received-param-no-delim",
        "4.5",
        "accept",
        plain("BYE sip:[2001:db8::10] SIP/2.0", Via=f"{V6};received=2001:db8::9:255"),
    ),
    Case(
        "ipv6-in-sdp",
        "4.6",
        "accept",
        plain("INVITE sip:user@[2001:db8::10] SIP/2.0", Via=V6, Content_Type="application/sdp", Content_Length="30")
        + b"v=0\r\nc=IN IP6 2001:db8::20\r\n\r\n",
    ),
    Case(
        "mult-ip-in-header",
        "4.7",
        "accept",
        plain(
            "BYE sip:user@host.example.net SIP/2.0",
            Via="SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111, "
            "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144, "
            "SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200",
        ),
    ),
    Case(
        "ipv4-mapped-ipv6",
        "4.9",
        "accept",
        plain(
            INVITE,
            Via="SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19, "
            "SIP/2.0/UDP [::ffff:192.0.2.2];branch=z9hG4bKas3-111",
            Contact='"T. desk phone" <sip:ted@[::ffff:192.0.2.2]>',
        ),
    ),
    Case("ipv6-bug-abnf-3-colons", "4.10", "accept", plain("OPTIONS sip:user@[2001:db8:::192.0.2.1] SIP/2.0")),
    Case("ipv6-correct-abnf-2-colons", "4.10", "accept", plain("OPTIONS sip:user@[2001:db8::192.0.2.1] SIP/2.0")),
]
