"""What somebody outside may name, and what the names stand for."""

from collections.abc import Sequence

from services.kit.settings import OutboundSettings

LOCAL = OutboundSettings(outbound_allow_loopback=True)

REFUSED = [
    "http://hooks.example.com/",
    "ftp://hooks.example.com/",
    "file:///etc/passwd",
    "//hooks.example.com/",
    "hooks.example.com",
    "",
    "https://",
    # This machine, in every spelling.
    *(
        f"https://{host}/"
        for host in ("127.0.0.1", "localhost", "0", "127.1", "2130706433", "0x7f000001", "0177.0.0.1")
    ),
    *(f"https://{host}/" for host in ("①②⑦.⓪.⓪.①", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::127.0.0.1]")),
    *(f"https://{host}/" for host in ("[64:ff9b::7f00:1]", "[2002:7f00:1::]", "127.0.0.1.", "1.2.3.0x7f", "a.0x")),
    # Addresses instead of names, metadata of clouds.
    *(f"https://{host}/" for host in ("169.254.169.254", "8.8.8.8", "[fd00:ec2::254]", "100.100.100.200")),
    *(f"https://{host}/" for host in ("metadata.google.internal", "metadata", "instance-data.ec2.internal")),
    # Names from inside.
    *(
        f"https://{host}/"
        for host in ("accounts.stemwright.svc.cluster.local", "accounts.stemwright.svc", "printer.lan")
    ),
    *(f"https://{host}/" for host in ("kafka", "triton:8443", "hooks.example.com.", ".example.com", "a..example.com")),
    *(f"https://{host}/" for host in ("аpple.com", "exa_mple.com", "-a.example.com", f"{'a' * 64}.com", "%6cocalhost")),
    # What parsers disagree about.
    "https://user:pass@hooks.example.com/",
    "https://hooks.example.com#@127.0.0.1/",
    "https://hooks.example.com\\@127.0.0.1/",
    "https://hooks.example.com/\\..",
    "https://hooks.example.com /",
    "https://hooks.example.com/a b",
    "https://hooks.example.com/\r\nHost: inside",
    "https://hooks.example.com\t/",
    "https://hooks.example.com/\n",
    "https://hooks.example.com/ü",
    "https://hooks.example.com/#part",
    *(f"https://hooks.example.com:{port}/" for port in (22, 25, 80, 6379, 9092, 0, 65536, 99999, "", "x")),
    "https://hooks.example.com/" + "a" * 2000,
]


class Resolver:
    """Answers a name with these addresses, one set after the other."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int, _asker: str) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0)
