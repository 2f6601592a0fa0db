"""What is worth remembering."""

from enum import StrEnum


class Kind(StrEnum):
    REGISTERED = "registered"
    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    """Several wrong passwords in a row: of one address, or of many at one account."""
    SIGNED_OUT = "signed_out"
    REFRESH_TOKEN_REUSED = "refresh_token_reused"  # noqa: S105 - a kind, not a secret
    API_KEY_MADE = "api_key_made"
    API_KEY_DELETED = "api_key_deleted"
    ROLE_GIVEN = "role_given"
    ROLE_TAKEN = "role_taken"
    DISABLED = "disabled"
    ENABLED = "enabled"
    CREDITS_ADJUSTED = "credits_adjusted"
    PAYMENT_REFUNDED = "payment_refunded"
    ERASED = "erased"
    EMAIL_CHANGE_ASKED = "email_change_asked"
    EMAIL_CHANGED = "email_changed"
    EMAIL_RESTORED = "email_restored"
    EMAIL_VERIFIED = "email_verified"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - a kind, not a secret
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a kind, not a secret
    SECOND_FACTOR_ADDED = "second_factor_added"
    SECOND_FACTOR_REMOVED = "second_factor_removed"
    RECOVERY_CODE_USED = "recovery_code_used"
    PRICE_SET = "price_set"
    PRICE_WITHDRAWN = "price_withdrawn"
    JOB_REQUEUED = "job_requeued"
    WORKER_DRAINED = "worker_drained"
    WORKER_RESUMED = "worker_resumed"
    QUEUE_PAUSED = "queue_paused"
    QUEUE_RESUMED = "queue_resumed"
    FEEDBACK_HEARD = "feedback_heard"
    DEAD_LETTER_REPLAYED = "dead_letter_replayed"
    DEAD_LETTER_DISCARDED = "dead_letter_discarded"
    WEBHOOK_ENDPOINT_DISABLED = "webhook_endpoint_disabled"
