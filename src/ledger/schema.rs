//! The tables of the SQLite store and the triggers that keep them append-only.
//!
//! The triggers hold for every connection, ours or another's. Whoever owns the file can drop them; then the chain
//! tells. Does not know what a record says.

/// Version of the tables, kept in `user_version`.
pub(super) const VERSION: i64 = 1;

/// Makes the tables of a new store. Run in one transaction.
///
/// `record`: the chained lines. `REPLACE` deletes without firing the delete trigger, so the insert trigger refuses a
/// number that is not the next one and a key that is there. `payload`: names and comments; may be erased, not changed.
/// `state`: the head and the highest fence, in one row that only grows, so that a lost tail is noticed.
pub(super) const CREATE: &str = "
CREATE TABLE record (
    seq  INTEGER PRIMARY KEY,
    key  TEXT NOT NULL UNIQUE,
    hash BLOB NOT NULL,
    line BLOB NOT NULL
) STRICT;
CREATE TRIGGER record_no_update BEFORE UPDATE ON record
BEGIN SELECT raise(ABORT, 'the ledger is append-only: a record cannot be changed'); END;
CREATE TRIGGER record_no_delete BEFORE DELETE ON record
BEGIN SELECT raise(ABORT, 'the ledger is append-only: a record cannot be deleted'); END;
CREATE TRIGGER record_no_replace BEFORE INSERT ON record
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM record)
  OR EXISTS (SELECT 1 FROM record WHERE key = NEW.key)
BEGIN SELECT raise(ABORT, 'the ledger is append-only: a record cannot be replaced or skipped'); END;

CREATE TABLE payload (
    seq  INTEGER PRIMARY KEY REFERENCES record (seq),
    salt BLOB NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE TRIGGER payload_no_update BEFORE UPDATE ON payload
BEGIN SELECT raise(ABORT, 'a payload can be erased, but not changed'); END;
CREATE TRIGGER payload_no_replace BEFORE INSERT ON payload
WHEN NEW.seq IS NOT (SELECT max(seq) FROM record) OR EXISTS (SELECT 1 FROM payload WHERE seq = NEW.seq)
BEGIN SELECT raise(ABORT, 'a payload can be erased, but not changed'); END;

CREATE TABLE state (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    log      TEXT NOT NULL,
    key_id   TEXT NOT NULL,
    fence    INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    hash     BLOB NOT NULL
) STRICT;
CREATE TRIGGER state_only_grows BEFORE UPDATE ON state
WHEN NEW.fence < OLD.fence OR NEW.seq < OLD.seq OR NEW.log <> OLD.log OR NEW.key_id <> OLD.key_id
  OR NEW.only_row <> OLD.only_row
BEGIN SELECT raise(ABORT, 'the ledger is append-only: its head and its fence only grow'); END;
CREATE TRIGGER state_no_delete BEFORE DELETE ON state
BEGIN SELECT raise(ABORT, 'the ledger is append-only: its head cannot be deleted'); END;
CREATE TRIGGER state_no_replace BEFORE INSERT ON state WHEN EXISTS (SELECT 1 FROM state)
BEGIN SELECT raise(ABORT, 'the ledger is append-only: its head cannot be replaced'); END;

CREATE TABLE probe (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), times INTEGER NOT NULL) STRICT;
INSERT INTO probe VALUES (1, 0);

PRAGMA user_version = 1;
";
