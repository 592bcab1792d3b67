-- In a private network: who the peer is, as TLS has shown it; empty in an open one.
ALTER TABLE peers ADD COLUMN fingerprint TEXT NOT NULL DEFAULT '';
