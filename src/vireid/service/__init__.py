"""Search a gallery over HTTP: access by token, an audit log, retention, and the page.

`vireid.service.app` and `vireid.service.server` need the extra ``service``; what stands here does not.
"""

from vireid.service.audit import AuditLog
from vireid.service.settings import Settings
from vireid.service.tokens import Caller, Role, Tokens, add_token

__all__ = ["AuditLog", "Caller", "Role", "Settings", "Tokens", "add_token"]
