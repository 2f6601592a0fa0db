"""Topics of the event log, one for each partner who asks: written as the feed is, read by nobody else."""
