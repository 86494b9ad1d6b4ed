"""The nouns and their rules. No I/O: nothing here opens a file, a socket or a database."""
