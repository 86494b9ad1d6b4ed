"""What each service answers, as this project promises it: one table a service, in the notation of `notation.py`."""
