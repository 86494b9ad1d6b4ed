"""Timelines and spans. Hangs on the saga runner, the order transaction and the bus; the steps never import it.

`recorder.py` times the hops, `timeline.py` puts them in the order of the nine steps, `draw.py` shows them to a person.
"""
