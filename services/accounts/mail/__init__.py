"""Mails: written in the transaction of their cause, composed and sent by a background task."""
