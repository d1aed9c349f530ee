"""When an image was taken, as the name of its file says."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo

__all__ = ["time_in_name"]

_TIME = re.compile(
    r"(?<!\d)(\d{4})(-?)(\d{2})\2(\d{2})[T_ ](\d{2})([-:.]?)(\d{2})\6(\d{2})(?:[.,](\d{1,6}))?"
    r"(?:(Z)|([+-])(\d{2}):?(\d{2}))?(?![A-Za-z0-9])"
)


def time_in_name(name: str, zone: tzinfo = timezone.utc) -> datetime | None:
    """The first ISO 8601 time in a name, to the second or finer, None where there is none.

    ``2026-11-21T08:30:00Z``, ``20261121T083000.25+0100`` and ``2026-11-21_08-30-00`` are read, with anything that is no
    digit around them: ``-``, ``.`` or nothing may stand for the colons that names of files cannot have everywhere.

    Args:
        name: of a file, without its suffix.
        zone: of a time that names none.

    >>> time_in_name("door_20261121T083000Z_0042").isoformat()
    '2026-11-21T08:30:00+00:00'
    >>> time_in_name("door_0042") is None
    True
    """
    for match in _TIME.finditer(name):
        year, _, month, day, hour, _, minute, second, fraction, utc, sign, zone_hours, zone_minutes = match.groups()
        at = zone
        if utc:
            at = timezone.utc
        elif sign:
            offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
            # Else it is a running number behind a dash.
            if offset <= timedelta(hours=14) and int(zone_minutes) in (0, 15, 30, 45):
                at = timezone(-offset if sign == "-" else offset)
        try:
            numbers = (int(text) for text in (year, month, day, hour, minute, second))
            return datetime(*numbers, int((fraction or "0").ljust(6, "0")), tzinfo=at)  # type: ignore[arg-type]
        except ValueError:
            continue
    return None
