"""Talking to the Hugging Face Hub: names, errors that say what to do, and no telemetry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import validate_repo_id

from vireid.models.without_telemetry import without_telemetry
from vireid.types import VireidError

__all__ = ["TIMEOUT", "check_name", "talking_to_hub"]

TIMEOUT = 30.0
"""Seconds to wait for a first answer."""

_LOGIN = "log in with hf auth login, or set HF_TOKEN"


def check_name(name: str) -> None:
    """Hold a repository's name to ``namespace/name``.

    Raises:
        VireidError: another form.
    """
    try:
        if name.count("/") != 1:
            raise HFValidationError("it has no single /")
        validate_repo_id(name)
    except HFValidationError:
        raise VireidError(
            f"a model on the Hub is named NAMESPACE/NAME, of letters, digits, '-', '_' and '.', got {name!r}; the "
            "namespace is your user name or an organisation's"
        ) from None


@contextmanager
def talking_to_hub(name: str, *, sending: bool = False) -> Iterator[None]:
    """Keep huggingface_hub from telling more than it must, and turn its errors into ones that say what to do.

    It would tell the Hub the version of torch, and fetch a list by which it recognises what program runs it. Neither
    is sent while the block runs. Messages never hold a token.

    Args:
        name: of the model.
        sending: whether something goes there; what is fetched could be read from a folder instead.

    Raises:
        VireidError: no such repository or revision, no right to it, no token, no network, any answer of the Hub that
            is an error.
    """
    instead = "" if sending else ", or name a folder"
    try:
        with without_telemetry():
            yield
    except LocalTokenNotFoundError:
        raise VireidError(f"the Hub needs to know who you are: {_LOGIN}") from None
    except GatedRepoError as error:
        raise VireidError(f"{name} is gated: ask for access on its page, then {_LOGIN}") from error
    except RepositoryNotFoundError as error:
        raise VireidError(
            f"there is no model {name} on the Hub, or it is private and you have no right to it; check the name, or "
            f"{_LOGIN}"
        ) from error
    except RevisionNotFoundError as error:
        raise VireidError(f"{name} has no such revision; name a branch, a tag or a commit of it") from error
    except OfflineModeIsEnabled as error:
        raise VireidError(f"HF_HUB_OFFLINE forbids to ask the Hub for {name}; unset it{instead}") from error
    except LocalEntryNotFoundError as error:
        raise VireidError(
            f"{name} is not whole in the cache of this machine; fetch it once with a network, or name a folder"
        ) from error
    except HfHubHTTPError as error:
        raise VireidError(_refused(name, error)) from error
    except Exception as error:
        # Which library carries the requests has changed twice; each raises errors of its own where there is no network.
        if not re.match(r"httpx2?|httpcore2?|requests|urllib3", type(error).__module__):
            raise
        raise VireidError(
            f"the Hub could not be reached for {name} ({type(error).__name__}); check the network and "
            f"HF_ENDPOINT{instead}"
        ) from error


def _refused(name: str, error: HfHubHTTPError) -> str:
    code = error.response.status_code if error.response is not None else "no"
    what = {
        401: f"it does not know you: {_LOGIN}",
        403: "your token has no right to do this; take one that may write there",
        409: "somebody else changed it meanwhile; try again",
        429: "it has had too many requests; wait a while",
    }.get(code if isinstance(code, int) else 0, "try again later")
    return f"the Hub answered {code} for {name}: {what}"
