"""What the accounts service needs to be told in production, besides its signing key."""

PRODUCTION = {
    "STEMWRIGHT_ENVIRONMENT": "production",
    "STEMWRIGHT_KAFKA_SECURITY_PROTOCOL": "SSL",
    "DATABASE_URL": "postgresql://stemwright:kR7-_p4qzz@db.example/stemwright",
    "STEMWRIGHT_ACCOUNTS_PUBLIC_URL": "https://stemwright.example",
    "STEMWRIGHT_ACCOUNTS_MAIL_FROM": "Stemwright <mail@stemwright.example>",
    "STEMWRIGHT_ACCOUNTS_SMTP_HOST": "mail.example",
}
