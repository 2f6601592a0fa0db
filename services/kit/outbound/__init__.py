"""Requests to addresses that somebody outside has named: webhooks, and songs by URL.

urls         which addresses may be named at all
networks     which IP addresses a name may stand for
lookups      the system's resolver, shared fairly
connections  which are made to addresses that were looked at, and kept for a while
fetcher      requests to such addresses
"""
