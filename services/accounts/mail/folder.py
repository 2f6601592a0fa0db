"""The mails in a folder, as `FolderTransport` leaves them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from email.utils import parsedate_to_datetime
from pathlib import Path


@dataclass(frozen=True)
class StoredMail:
    number: int
    """From 1, the oldest."""
    file: Path
    message: EmailMessage

    @property
    def sent_at(self) -> datetime:
        return parsedate_to_datetime(str(self.message["Date"]))

    def body(self, kind: str) -> str:
        """Its `plain` or `html` text."""
        part = self.message.get_body((kind,))
        assert part is not None  # noqa: S101 - each has both
        return str(part.get_content())


def stored(folder: Path) -> Sequence[StoredMail]:
    """All mails of the folder, the oldest first; none where there is no folder."""
    found = []
    for number, file in enumerate(sorted(folder.glob("mail_*.eml")), start=1):
        message = message_from_bytes(file.read_bytes(), _class=EmailMessage, policy=default)
        found.append(StoredMail(number, file, message))
    return found
