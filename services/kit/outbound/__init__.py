"""Requests to addresses that somebody outside has named: webhooks, and songs by URL.

urls        which addresses may be named at all
networks    which IP addresses a name may stand for
fetcher     one request, to an address that was looked at first
"""
