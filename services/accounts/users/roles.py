"""What a user may be."""

from services.kit.auth import Role

__all__ = ["Role"]
