"""`stemwright doctor`: looks at all that the services of a platform need; says what is wrong and what to do."""
