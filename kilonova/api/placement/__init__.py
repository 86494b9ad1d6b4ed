"""OpenStack Placement on the wire, for reading: what hosts have and what is claimed. Claims are made by building servers."""
