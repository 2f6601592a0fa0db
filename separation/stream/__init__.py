"""A song as a stream: at the rate of the model, through it, and out as stems."""
