"""What every table of the orchestrator stands on."""

from services.kit.database import ServiceBase
from services.kit.tables import ERASED_ACCOUNTS


class Base(ServiceBase):
    __abstract__ = True


ERASED_ACCOUNTS.to_metadata(Base.metadata)
