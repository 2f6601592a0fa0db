"""Tables of results."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from services.kit.database import RowNumber
from services.orchestrator.tables import Base


class Deletion(Base):
    """Objects that are to be removed from the store."""

    __tablename__ = "deletions"

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=True)
    prefix: Mapped[str] = mapped_column(String(120))
    due_at: Mapped[datetime] = mapped_column(index=True)
