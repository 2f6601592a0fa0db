"""Why brokers that are there do not let us in, in words for who can mend it.

The client says the same for all of it, that it found no broker in time; what its connections ended with tells them
apart. A broker that closes a connection says nothing at all, so what that means is a guess, and told as one.
"""

from collections.abc import Sequence

from kafka import errors

from services.kit.events.brokers import Brokers

CLOSED_OFTEN = 3
"""A broker that starts may close a connection or two."""
_CLOSED = ("socket disconnected", "connection reset", "broken pipe", "eof")
"""In small letters. What Python says of the end of a file within a handshake differs between its releases."""


def why(failures: Sequence[BaseException], brokers: Brokers) -> str | None:
    """A sentence, or None where nothing says that we were refused. `failures` are what the connections ended with."""
    for failure in failures:
        said = _sign_in(failure, brokers) or _handshake(str(failure), brokers)
        if said is not None:
            return said
    if sum(any(mark in str(failure).lower() for mark in _CLOSED) for failure in failures) < CLOSED_OFTEN:
        return None
    return f"{brokers.addresses} closes our connections: {_GUESSES[brokers.security_protocol]}"


def _sign_in(failure: BaseException, brokers: Brokers) -> str | None:
    if isinstance(failure, errors.UnsupportedSaslMechanismError):
        return f"the brokers do not offer {brokers.sasl_mechanism} (STEMWRIGHT_KAFKA_SASL_MECHANISM)"
    if isinstance(failure, errors.IllegalSaslStateError):
        return (
            f"{brokers.addresses} expects nobody to sign in: STEMWRIGHT_KAFKA_SECURITY_PROTOCOL is "
            f"{brokers.security_protocol}"
        )
    if isinstance(failure, errors.SaslAuthenticationFailedError):
        return (
            f"the brokers refuse the user {brokers.username!r} or its password "
            f"(STEMWRIGHT_KAFKA_SASL_USERNAME, STEMWRIGHT_KAFKA_SASL_PASSWORD; {brokers.sasl_mechanism})"
        )
    return None


def _handshake(text: str, brokers: Brokers) -> str | None:
    if "Hostname mismatch" in text or "IP address mismatch" in text:
        return f"the certificate of {brokers.addresses} is for another name: {text}"
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return (
            f"the certificate of {brokers.addresses} is signed by nobody whom we trust (STEMWRIGHT_KAFKA_CA_FILE): "
            f"{text}"
        )
    if any(mark in text for mark in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "record layer failure")):
        return (
            f"{brokers.addresses} does not speak TLS: STEMWRIGHT_KAFKA_SECURITY_PROTOCOL is {brokers.security_protocol}"
        )
    if any(mark in text for mark in ("CERTIFICATE_REQUIRED", "certificate required", "BAD_CERTIFICATE")):
        return f"{brokers.addresses} wants a certificate of ours that it trusts (STEMWRIGHT_KAFKA_CERTIFICATE_FILE)"
    return None


_GUESSES = {
    "PLAINTEXT": "it may expect TLS or that we sign in (STEMWRIGHT_KAFKA_SECURITY_PROTOCOL is PLAINTEXT)",
    "SASL_PLAINTEXT": "it may expect TLS (STEMWRIGHT_KAFKA_SECURITY_PROTOCOL is SASL_PLAINTEXT)",
    "SSL": "it may expect that we sign in (STEMWRIGHT_KAFKA_SECURITY_PROTOCOL is SSL) or speak no TLS",
    "SASL_SSL": "it may speak no TLS, or expect nobody to sign in (STEMWRIGHT_KAFKA_SECURITY_PROTOCOL is SASL_SSL)",
}
