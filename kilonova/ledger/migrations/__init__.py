"""The steps from one version of the tables to the next, as Alembic runs them. Says nothing about when: that is `migrate.py`.

`REVISIONS` names them in order, so that a program that starts need not load Alembic to know that there is nothing to do.
A step, once released, is never changed; it knows the tables as they were then, and imports none of the books.
How to write one: docs/decisions/0008-tables-change-in-steps.md.
"""

REVISIONS = ("0001", "0002")
