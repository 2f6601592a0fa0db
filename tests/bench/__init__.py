"""What measures: where it computes instead, it is tested."""
