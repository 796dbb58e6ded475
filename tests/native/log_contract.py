"""What any collector of logs has to make of a container's log, said once: input lines and what arrives at Loki.

Whoever collects (Promtail, or what takes its place), these cases are run through its real binary with the stack's own
configuration.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

JSON = '{"level":"%s","message":"%s","trace_id":"%s","span_id":"00f067aa0ba902b7"}'
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OWN_JSON = f'{{"ctx":{{"lvl":"Err","trace":"{TRACE}"}},"text":"failed"}}'


@dataclass(frozen=True)
class Arrived:
    """A line at Loki, with the structured metadata that must be there."""

    line: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """The lines one container writes (to stderr where they start with `!`), and what must arrive, in order."""

    name: str
    written: tuple[str, ...]
    arrives: tuple[Arrived, ...]
    service: str = "api-gateway"


def unchanged(*lines: str, service: str = "api-gateway", name: str) -> Case:
    return Case(name, lines, tuple(Arrived(line) for line in lines), service)


# Made up, in the forms that each is known by.
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"
GITHUB = f"ghp_{'a1B2' * 9}"
SLACK = "-".join(("xoxb", "1234567890", "abcdef"))


def masked(name: str, line: str, secret: str) -> Case:
    return Case(name, (line,), (Arrived(line.replace(secret, "[MASKED]")),))


GO_PANIC = (
    "!panic: runtime error: index out of range [3]",
    "!",
    "!goroutine 17 [running]:",
    "!panic({0x7a1e00?, 0xc00001c0a8?})",
    "!\t/usr/local/go/src/runtime/panic.go:792 +0x132",
    "!main.(*Service).answer(0xc0001b6000, {0x8e7a20, 0xc0002a4000})",
    "!\t/app/server.go:90 +0x45",
    "!net/http.HandlerFunc.ServeHTTP(...)",
    "!\t/usr/local/go/src/net/http/server.go:2294",
    "!main.main()",
    "!\t/app/main.go:12 +0x1d",
    "!created by net/http.(*Server).Serve in goroutine 1",
    "!\t/usr/local/go/src/net/http/server.go:3454 +0x485",
    "!exit status 2",
)
PYTHON_TRACEBACK = (
    "!2026-01-01 12:00:00 ERROR request failed",
    "!Traceback (most recent call last):",
    '!  File "/app/main.py", line 3, in <module>',
    "!    raise ValueError('bad')",
    "!ValueError: bad",
)
JAVA_TRACE = (
    "!ERROR cannot open",
    "!java.io.FileNotFoundException: config.yml",
    "!\tat java.base/java.io.FileInputStream.open0(Native Method)",
    "!\t... 12 more",
    "!Caused by: java.lang.NullPointerException: x",
)


def joined(lines: tuple[str, ...]) -> str:
    return "\n".join(line.removeprefix("!") for line in lines)


CASES = (
    Case(
        "a JSON line keeps its text; level and ids become metadata",
        (JSON % ("info", "created", TRACE),),
        (Arrived(JSON % ("info", "created", TRACE), {"level": "info", "trace_id": TRACE, "stream": "stdout"}),),
    ),
    Case(
        "levels have one spelling",
        (
            '{"severity":"WARNING","msg":"a"}',
            '{"lvl":"Err","msg":"b"}',
            '{"level":30,"msg":"c"}',
            "!E0101 12:00:00.1 d",
        ),
        (
            Arrived('{"severity":"WARNING","msg":"a"}', {"level": "warn"}),
            Arrived('{"lvl":"Err","msg":"b"}', {"level": "error"}),
            Arrived('{"level":30,"msg":"c"}', {"level": "info"}),
            Arrived("E0101 12:00:00.1 d", {"level": "error", "stream": "stderr"}),
        ),
    ),
    Case(
        "level and trace of a plain line are found",
        (f"level=error msg=refused trace_id={TRACE}",),
        (Arrived(f"level=error msg=refused trace_id={TRACE}", {"level": "error", "trace_id": TRACE}),),
    ),
    Case("a panic of Go is one entry", GO_PANIC, (Arrived(joined(GO_PANIC), {"level": "fatal"}),)),
    Case("a traceback of Python belongs to its line", PYTHON_TRACEBACK, (Arrived(joined(PYTHON_TRACEBACK)),)),
    Case("a stack trace of Java is one entry", JAVA_TRACE, (Arrived(joined(JAVA_TRACE), {"level": "error"}),)),
    unchanged("plain one", "plain two", "plain three", name="plain lines stay apart"),
    Case(
        "answered health checks are dropped, failed ones stay",
        (
            '{"level":"info","message":"request","path":"/health","status":200}',
            '{"level":"error","message":"request","path":"/health","status":503}',
            '{"level":"info","message":"request","path":"/api/v1/health-plans","status":200}',
            '10.0.0.1 - - "GET /metrics HTTP/1.1" 200 512',
            '10.0.0.1 - - "GET /metrics HTTP/1.1" 500 512',
        ),
        (
            Arrived('{"level":"error","message":"request","path":"/health","status":503}', {"level": "error"}),
            Arrived('{"level":"info","message":"request","path":"/api/v1/health-plans","status":200}'),
            Arrived('10.0.0.1 - - "GET /metrics HTTP/1.1" 500 512'),
        ),
    ),
    Case(
        "debug lines are dropped in production",
        (JSON % ("debug", "noise", TRACE), "level=trace noise", JSON % ("info", "kept", TRACE)),
        (Arrived(JSON % ("info", "kept", TRACE)),),
    ),
    Case(
        "PostgreSQL's own levels are known",
        (
            "2026-01-01 12:00:00.000 UTC [7] LOG:  checkpoint complete",
            '2026-01-01 12:00:01.000 UTC [8] FATAL:  password authentication failed for user "x"',
        ),
        (
            Arrived("2026-01-01 12:00:00.000 UTC [7] LOG:  checkpoint complete", {"level": "info"}),
            Arrived(
                '2026-01-01 12:00:01.000 UTC [8] FATAL:  password authentication failed for user "x"',
                {"level": "fatal"},
            ),
        ),
        service="postgresql",
    ),
    Case(
        "Redis' own levels are known",
        ("1:M 01 Jan 2026 12:00:00.000 * Ready to accept connections", "1:M 01 Jan 2026 12:00:00.000 # overcommit"),
        (
            Arrived("1:M 01 Jan 2026 12:00:00.000 * Ready to accept connections", {"level": "info"}),
            Arrived("1:M 01 Jan 2026 12:00:00.000 # overcommit", {"level": "warn"}),
        ),
        service="redis",
    ),
    Case(
        "a service's own form of lines is read as it declares it",
        (
            f"<WARNING> [{TRACE}] slow",
            OWN_JSON,
        ),
        (
            Arrived(f"<WARNING> [{TRACE}] slow", {"level": "warn", "trace_id": TRACE}),
            Arrived(OWN_JSON, {"level": "error", "trace_id": TRACE}),
        ),
        service="own-form",
    ),
    masked("password in JSON", '{"msg":"login","password":"hunter2 and more","user":"x"}', "hunter2 and more"),
    masked("token with quotes in it", r'{"api_token":"a\"b","n":1}', r"a\"b"),
    masked("JSON in JSON", r'{"body":"{\"password\":\"hunter2\"}"}', "hunter2"),
    masked("password in text", "connect user=x password=hunter2 host=y", "hunter2"),
    masked("password after a colon", "password: hunter2", "hunter2"),
    masked("password in a URL's query", "GET /login?user=x&password=hunter2&next=/", "hunter2"),
    masked("password of a URL's user", "dsn postgres://app:hunter2@db:5432/x", "hunter2"),
    masked("bearer token", "authorization failed for Bearer abcdef123456", "abcdef123456"),
    masked("AWS access key", "using AKIAIOSFODNN7EXAMPLE now", "AKIAIOSFODNN7EXAMPLE"),
    masked(
        "AWS secret key",
        "aws_secret_access_key wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    ),
    masked("password at the end of a word", "SMTPPASSWORD=hunter2", "hunter2"),
    masked("pwd at the end of a word", "httppwd=hunter2", "hunter2"),
    masked("token at the end of a word", '{"gitToken":"hunter2"}', "hunter2"),
    masked("secret in text", "secret: hunter2", "hunter2"),
    masked("credential in JSON", '{"credential":"hunter2"}', "hunter2"),
    masked("API key in text", "api-key=hunter2", "hunter2"),
    masked("basic authorization", "Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    masked("JSON web token", f"got {JWT} back", JWT),
    masked("GitHub's token", f"pushed with {GITHUB}", GITHUB),
    masked("Slack's token", f"posted with {SLACK}", SLACK),
    masked("private key", "-----BEGIN RSA PRIVATE KEY-----MIIEow-----END RSA PRIVATE KEY-----", "MIIEow"),
    masked("card number", "charged 4111 1111 1111 1111 ok", "4111 1111 1111 1111"),
    masked("card number without spaces", "charged 5500005555555559 ok", "5500005555555559"),
    masked("e-mail address in text", "mail to jane.doe+x@mail.example.com sent", "jane.doe+x@mail.example.com"),
    masked("e-mail address in JSON", '{"msg":"signed up","user":"jane@example.com"}', "jane@example.com"),
    unchanged(
        "at 1763820000000 took 1763820000000123 ns",
        f"trace {TRACE} of 12345678901234567890",
        "the password was changed by its owner",
        "basic authentication is on",
        "image registry.example/app@sha256:0123 and user@host",
        name="figures, ids and words that only look like secrets stay",
    ),
)

# What a node's journal holds.
JOURNAL = (
    {"_SYSTEMD_UNIT": "kubelet.service", "PRIORITY": "4", "SYSLOG_IDENTIFIER": "kubelet", "MESSAGE": "image is gone"},
    {"_TRANSPORT": "kernel", "PRIORITY": "2", "MESSAGE": "Out of memory: Killed process 4711 (java)"},
    {"_SYSTEMD_UNIT": "session-3.scope", "PRIORITY": "6", "MESSAGE": "mount -o password=hunter2 //server/share"},
    {"_SYSTEMD_UNIT": "cron.service", "PRIORITY": "7", "MESSAGE": "nothing to do"},
)
