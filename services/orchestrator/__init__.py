"""Jobs: what was asked, where it runs, how it ended. The only service that changes the state of a job."""
