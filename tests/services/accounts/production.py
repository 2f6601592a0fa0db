"""What the accounts service needs to be told in production, besides its signing key."""

PRODUCTION = {
    "STEMWRIGHT_ENVIRONMENT": "production",
    "DATABASE_URL": "sqlite:///data/{service}.db",
    "STEMWRIGHT_ACCOUNTS_PUBLIC_URL": "https://stemwright.example",
    "STEMWRIGHT_ACCOUNTS_MAIL_FROM": "Stemwright <mail@stemwright.example>",
    "STEMWRIGHT_ACCOUNTS_SMTP_HOST": "mail.example",
}
