"""What every service is made of: settings, errors, database, outbox, events, storage, auth, the HTTP app.

The only package that services share. It knows no service.
"""
