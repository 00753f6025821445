"""Who we are to AWS, from files and variables of the test's own."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sys
from pathlib import Path
from urllib.parse import quote, urlsplit

import anyio
import anyio.to_thread
import pytest

from aura.adapters.models._bedrock_signing import Proof, Signer
from aura.errors import ProviderError, Rejected, Unavailable

pytestmark = pytest.mark.anyio

URL = "https://bedrock-runtime.eu-central-1.amazonaws.com/model/arn:aws%2Fx-v1:0/converse-stream"
HEADERS = {"Content-Type": "application/json", "Accept": "application/vnd.amazon.eventstream"}
BODY = b'{"messages":[]}'
SECRET = "wJalrXUtnFEMI"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of AWS's files; nothing of the machine's own is found."""
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_BEARER_TOKEN_BEDROCK",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CREDENTIAL_FILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("BOTO_CONFIG", str(tmp_path / "boto"))
    return tmp_path


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAVARIABLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session-token")


def keys(profile: str, key: str) -> str:
    return f"[{profile}]\naws_access_key_id = {key}\naws_secret_access_key = {SECRET}\n"


def signer(profile: str | None = None) -> Signer:
    return Signer(
        model="bedrock/claude", region="eu-central-1", profile=profile, hidden=("hidden",)
    )


async def proven(asked: Signer) -> Proof:
    return await asked.proof(URL, HEADERS, BODY)


async def identity(asked: Signer) -> str:
    """The access key that a request is signed with."""
    authorization = (await proven(asked)).headers["Authorization"]
    return authorization.partition("Credential=")[2].partition("/")[0]


async def failure(asked: Signer) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        await proven(asked)
    assert SECRET not in str(raised.value) + raised.value.detail
    return raised.value


def signature(headers: dict[str, str], signed: str) -> str:
    """The signature as AWS describes it, computed without botocore."""
    names = signed.split(";")
    path = quote(urlsplit(URL).path, safe="/-_.~")
    lines = ["POST", path, "", *(f"{name}:{headers[name]}" for name in names), "", signed]
    canonical = "\n".join([*lines, hashlib.sha256(BODY).hexdigest()])
    date = headers["x-amz-date"]
    scope = f"{date[:8]}/eu-central-1/bedrock/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{SECRET}".encode()
    for word in scope.split("/"):
        key = hmac.digest(key, word.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}"
    return hmac.digest(key, text.encode(), "sha256").hex()


@pytest.mark.usefixtures("variables")
async def test_the_signature_is_the_one_that_aws_computes() -> None:
    proof = await proven(signer())
    headers = {name.lower(): value for name, value in proof.headers.items()}
    assert headers["x-amz-security-token"] == "session-token"
    scope, signed, given = headers["authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(", ")
    assert scope.endswith("/eu-central-1/bedrock/aws4_request")
    signed = signed.removeprefix("SignedHeaders=")
    assert {"host", "x-amz-date", "x-amz-security-token"} <= set(signed.split(";"))
    headers["host"] = urlsplit(URL).netloc
    assert given == f"Signature={signature(headers, signed)}"


@pytest.mark.usefixtures("variables")
async def test_nothing_secret_gets_through_the_mask() -> None:
    proof = await proven(signer())
    assert proof.mask(f"{SECRET} AKIAVARIABLE session-token hidden") == "*** *** *** ***"


@pytest.mark.usefixtures("variables")
async def test_a_profile_wins_over_variables(home: Path) -> None:
    (home / "credentials").write_text(keys("default", "AKIADEFAULT") + keys("work", "AKIAWORK"))
    assert await identity(signer("work")) == "AKIAWORK"
    assert await identity(signer()) == "AKIAVARIABLE"


async def test_the_default_profile_is_found(home: Path) -> None:
    (home / "credentials").write_text(keys("default", "AKIADEFAULT"))
    assert await identity(signer()) == "AKIADEFAULT"


async def test_a_bearer_token_is_sent_as_it_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "credentials").write_text(keys("work", "AKIAWORK"))
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key-x")
    proof = await proven(signer())
    assert proof.headers == {**HEADERS, "Authorization": "Bearer bedrock-api-key-x"}
    assert proof.mask("bedrock-api-key-x") == "***"
    assert await identity(signer("work")) == "AKIAWORK"


async def test_credentials_are_kept_until_they_are_refused(home: Path) -> None:
    (home / "credentials").write_text(keys("work", "AKIAFIRST"))
    asked = signer("work")
    assert await identity(asked) == "AKIAFIRST"
    (home / "credentials").write_text(keys("work", "AKIASECOND"))
    assert await identity(asked) == "AKIAFIRST"
    asked.forget()
    assert await identity(asked) == "AKIASECOND"


PROCESS = """
import json, pathlib
counter = pathlib.Path({counter!r})
count = len(counter.read_text()) + 1 if counter.exists() else 1
counter.write_text("x" * count)
print(json.dumps({{"Version": 1, "AccessKeyId": f"AKIA{{count}}", "SecretAccessKey": {secret!r},
    "SessionToken": "t", "Expiration": {expiry!r} if count == 1 else "2099-01-01T00:00:00Z"}}))
"""


def process(home: Path, expiry: str) -> None:
    """A profile whose credentials a program gives; the second ones are good for long."""
    script = home / "process.py"
    counter = str(home / "counter")
    script.write_text(PROCESS.format(counter=counter, secret=SECRET, expiry=expiry))
    command = f"{json.dumps(sys.executable)} {json.dumps(str(script))}"
    (home / "config").write_text(f"[profile work]\ncredential_process = {command}\n")


async def test_credentials_are_renewed_before_they_expire(home: Path) -> None:
    process(home, "2000-01-01T00:00:00Z")
    asked = signer("work")
    assert await identity(asked) == "AKIA2"
    assert await identity(asked) == "AKIA2"


async def test_credentials_that_are_good_for_long_are_not_renewed(home: Path) -> None:
    process(home, "2098-01-01T00:00:00Z")
    asked = signer("work")
    assert [await identity(asked), await identity(asked)] == ["AKIA1", "AKIA1"]


async def test_nobody_has_to_wait_for_credentials_that_do_not_come(home: Path) -> None:
    os.mkfifo(home / "pipe")
    command = f"cat {json.dumps(str(home / 'pipe'))}"
    (home / "config").write_text(f"[profile work]\ncredential_process = {command}\n")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(proven, signer("work"))
        pipe = await anyio.to_thread.run_sync((home / "pipe").open, "w")  # somebody reads
        tasks.cancel_scope.cancel()
    pipe.close()
    assert tasks.cancel_scope.cancelled_caught


async def test_without_credentials_it_is_said_what_to_do() -> None:
    error = await failure(signer())
    assert isinstance(error, Rejected)
    assert "`profile`" in str(error)


LOGGED_OUT = """
[profile work]
sso_session = s
sso_account_id = 1
sso_role_name = r
[sso-session s]
sso_region = eu-central-1
sso_start_url = https://x.invalid
"""


@pytest.mark.usefixtures("variables")
@pytest.mark.parametrize(
    ("config", "credentials", "words"),
    [
        ("", "", "does not exist"),
        ("[profile work]\nregion = eu-central-1\n", "", "has no credentials"),
        ("", "[work]\naws_access_key_id = AKIAHALF\n", "cannot be used"),
        ("[profile work]\ncredential_process = ./not-there\n", "", "cannot be used"),
        ("[profile work]\ncredential_process = false\n", "", "cannot be used"),
        (LOGGED_OUT, "", "`aws sso login --profile work`"),
    ],
)
async def test_an_unusable_profile_is_named(
    home: Path, config: str, credentials: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(home))
    (home / "boto").write_text(keys("Credentials", "AKIABOTO"))
    (home / "config").write_text(config)
    (home / "credentials").write_text(credentials)
    error = await failure(signer("work"))
    assert isinstance(error, Rejected)
    assert "The AWS profile 'work' of bedrock/claude" in str(error)
    assert words in str(error)


async def test_a_profile_of_the_environment_that_does_not_exist(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "gone")
    error = await failure(signer())
    assert "does not exist" in str(error)
    assert "gone" in error.detail


async def test_aws_that_is_not_reached_can_be_asked_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "config").write_text(
        "[profile work]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\n"
    )
    (home / "credentials").write_text(keys("base", "AKIABASE"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    error = await failure(signer("work"))
    assert isinstance(error, Unavailable)
    assert "'work'" in str(error)
