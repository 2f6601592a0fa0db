"""Stemwright's services: processes that talk over Kafka and share nothing but `services.kit`."""
