"""Block Storage v3, as Cinder speaks it."""
