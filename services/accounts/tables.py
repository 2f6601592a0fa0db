"""What every table of the accounts service stands on."""

from services.kit.database import ServiceBase


class Base(ServiceBase):
    __abstract__ = True
