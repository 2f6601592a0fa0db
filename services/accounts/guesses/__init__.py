"""How often somebody may try: passwords, and mails that are asked for."""
