"""What lies where in a cloud's data folder. Names only; opens nothing.

DIR/kilonova.toml  openrc  clouds.yaml  lock
DIR/ledger.sqlite            control's database
DIR/images/                  the image store
DIR/secrets/                 what only control may read: token keys, ticket key, NATS operator
DIR/credentials/NODE.creds   what each node may do on the bus
DIR/nats/                    the broker's configuration and streams
DIR/nodes/NODE/              a node's journal, guests, image cache, network records
DIR/run/ROLE.pid  DIR/log/ROLE.log
"""

from pathlib import Path


class CloudFolder:
    """Paths below one data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.secrets = data / "secrets"
        self.images = data / "images"
        self.nats = data / "nats"
        self.run = data / "run"
        self.logs = data / "log"
        self.faults_fired = data / "faults"
        self.lock = data / "lock"
        self.nats_url = self.run / "nats.url"
        self.admin_password = self.secrets / "admin-password"
        self.authority = self.secrets / "authority.json"
        self.token_keys = self.secrets / "token-keys"
        self.ticket_key = self.secrets / "ticket-key"

    def credential(self, node: str) -> Path:
        return self.data / "credentials" / f"{node}.creds"

    def node(self, name: str) -> Path:
        return self.data / "nodes" / name

    def make(self) -> None:
        """The folders that hold secrets are for their owner alone; guests get their files handed, never looked up."""
        for folder in (self.data, self.secrets, self.run, self.logs, self.data / "credentials", self.data / "nodes"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
