"""How fast is it, and what does it cost? `python -m bench` prints one JSON object. A measurement, never a test."""
