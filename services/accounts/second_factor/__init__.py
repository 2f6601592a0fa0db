"""A second proof at signing in: codes of an app (TOTP), and recovery codes for when the app is lost."""
