"""What separations cost, as accounts told of it."""
