"""What must be true of a simulated cloud at rest, one room of it after the other: each check is a function of a View."""
