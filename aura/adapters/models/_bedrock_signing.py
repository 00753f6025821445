"""Who we are to AWS: where the credentials come from, and what proves them in a request."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import anyio
import anyio.to_thread
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, create_credential_resolver
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's, which is not the builtin
    HTTPClientError,
    LoginError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.session import Session

from aura.adapters.models.complaints import bounded
from aura.errors import ProviderError, Rejected, Unavailable
from aura.masking import NOTHING_SECRET, Mask

SERVICE = "bedrock"
"""The name that requests are signed for."""

BEARER_TOKEN = "AWS_BEARER_TOKEN_BEDROCK"  # noqa: S105 - the name of a variable
"""The environment variable with an API key of Bedrock's own."""

OF_THE_MACHINE = ("ec2-credentials-file", "boto-config", "container-role", "iam-role")
"""Sources at the end of the default chain that know no profiles."""

UNREADY = (BotoCoreError, ClientError, OSError, ValueError, RuntimeError)
"""What botocore raises when there are no credentials to be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The headers of a request, signed, and the mask that keeps their secrets out of texts."""

    headers: Mapping[str, str]
    mask: Mask


class Signer:
    """Signs requests with the AWS credentials of `profile`, or of the default chain.

    Credentials are looked for when they are first needed and renewed by botocore before they
    expire, both in a worker thread, for files, processes and networks are asked. `model` names the
    model in errors, `hidden` are further secrets for the mask.
    """

    def __init__(
        self, *, model: str, region: str, profile: str | None = None, hidden: tuple[str, ...] = ()
    ) -> None:
        self._model = model
        self._region = region
        self._profile = profile
        self._hidden = hidden
        self._limiter = anyio.CapacityLimiter(1)
        self._lock = threading.Lock()
        self._credentials: Credentials | None = None
        self._secrets: tuple[str, ...] = ()
        self._mask = NOTHING_SECRET

    async def proof(self, url: str, headers: Mapping[str, str], body: bytes) -> Proof:
        """The headers with which a POST is accepted. Raises `ProviderError`."""
        return await anyio.to_thread.run_sync(
            partial(self._proven, url, headers, body),
            abandon_on_cancel=True,
            limiter=self._limiter,
        )

    def forget(self) -> None:
        """Look for credentials again next time: those that there are were refused."""
        self._credentials = None

    def _proven(self, url: str, headers: Mapping[str, str], body: bytes) -> Proof:
        token = "" if self._profile else os.environ.get(BEARER_TOKEN, "")
        with self._lock:  # a thread whose caller has left may still be at it
            if token:
                mask = self._masking(token)
                return Proof(headers={**headers, "Authorization": f"Bearer {token}"}, mask=mask)
            try:
                credentials = self._loaded()
                keys = credentials.get_frozen_credentials()
            except UNREADY as error:
                raise self._unusable(error) from error
            mask = self._masking(keys.access_key, keys.secret_key, keys.token or "")
            request = AWSRequest(method="POST", url=url, headers=dict(headers), data=body)
            SigV4Auth(keys, SERVICE, self._region).add_auth(request)
            return Proof(headers=dict(request.headers.items()), mask=mask)

    def _loaded(self) -> Credentials:
        if (credentials := self._credentials) is None:
            session = Session(profile=self._profile)
            chain = create_credential_resolver(session, region_name=self._region)
            for source in OF_THE_MACHINE if self._profile else ():
                chain.remove(source)
            credentials = chain.load_credentials()
            if credentials is None:
                raise self._missing()
            self._credentials = credentials
        return credentials

    def _masking(self, *secrets: str) -> Mask:
        if secrets != self._secrets:
            self._secrets, self._mask = secrets, Mask((*secrets, *self._hidden))
        return self._mask

    def _missing(self) -> Rejected:
        if self._profile:
            return Rejected(
                f"The AWS profile {self._profile!r} of {self._model} has no credentials. Complete"
                " it in the AWS configuration files, or set `profile` to another one."
            )
        return Rejected(
            f"No AWS credentials were found for {self._model}. Set `profile`, or give the server"
            " credentials where AWS looks for them."
        )

    def _unusable(self, error: Exception) -> ProviderError:
        """The error when the credentials that there should be cannot be had."""
        detail = bounded(str(error), self._mask)
        whose = f"The AWS profile {self._profile!r}" if self._profile else "The AWS identity"
        match error:
            case ProfileNotFound():
                return Rejected(
                    f"{whose} of {self._model} does not exist. Set `profile` to one that is in the"
                    " AWS configuration files, or leave it out.",
                    detail=detail,
                )
            case SSOError() | TokenRetrievalError() | LoginError():
                login = f"aws sso login --profile {self._profile}" if self._profile else "aws login"
                return Rejected(
                    f"{whose} of {self._model} is not logged in any more. Run `{login}`.",
                    detail=detail,
                )
            case ConnectionError() | HTTPClientError():
                return Unavailable(
                    f"{whose} of {self._model} could not be confirmed: AWS was not reached. Check"
                    " the network.",
                    detail=detail,
                )
            case _:
                return Rejected(
                    f"{whose} of {self._model} cannot be used. Check its entry in the AWS"
                    " configuration files; the server's log holds the reason.",
                    detail=detail,
                )
