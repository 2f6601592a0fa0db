"""What every table of the notifier stands on."""

from services.kit.database import ServiceBase
from services.kit.tables import ERASED_ACCOUNTS


class Base(ServiceBase):
    """Metadata of this service alone."""


ERASED_ACCOUNTS.to_metadata(Base.metadata)
