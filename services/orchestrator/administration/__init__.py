"""What those who run the platform see of queue, workers and jobs, and what they may do to them."""
