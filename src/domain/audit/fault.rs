//! What can be wrong with an export, and where.
//!
//! Knows faults and their words. Does not know how they are found.

use thiserror::Error;

/// The first thing that is wrong with an export.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}: {why}", place(*.line, *.seq))]
pub struct Broken {
    /// Line of the file, counted from 1.
    pub line: usize,
    /// The record concerned; none if it is the trailer.
    pub seq: Option<u64>,
    /// What is wrong.
    pub why: Fault,
}

fn place(line: usize, seq: Option<u64>) -> String {
    match seq {
        Some(seq) => format!("record {seq} (line {line})"),
        None => format!("trailer (line {line})"),
    }
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The line does not have the hash that its neighbours vouch for.
    #[error("altered: its bytes do not fit the chain")]
    Altered,
    /// Records that should stand here stand nowhere.
    #[error("missing: records {first} to {last} are not in the file")]
    Missing {
        /// The first missing record.
        first: u64,
        /// The last missing record.
        last: u64,
    },
    /// Lines that stand in each other's place.
    #[error("swapped: another line stands in its place, and it comes later")]
    Swapped,
    /// A line that stands twice.
    #[error("doubled: the same line stands there twice")]
    Doubled,
    /// A line that belongs to no place in this chain.
    #[error("inserted: the chain has no place for it")]
    Inserted,
    /// The file ends too early.
    #[error("cut: the file ends here, without its trailer")]
    Cut,
    /// The line is no JSON.
    #[error("not json")]
    NotJson,
    /// The line is JSON, but neither record nor payload nor trailer.
    #[error("not a record: fields are missing or have another type")]
    NotARecord,
    /// The line has a version that is not known here.
    #[error("version {0} of the record format is not known: use a newer `kubectl permit`")]
    Version(u64),
    /// The record belongs to another log.
    #[error("belongs to another log: `{0}`")]
    OtherLog(String),
    /// The payload is not the one that the record committed to.
    #[error("payload altered: it does not have the hash that its record carries")]
    PayloadAltered,
    /// The payload's line is gone.
    #[error("payload missing: its line is not in the file")]
    PayloadMissing,
    /// The trailer contradicts itself.
    #[error("altered: it contradicts itself")]
    Trailer,
    /// The chain is whole, and not the one that was expected.
    #[error("not the expected history: another record stands here, or none")]
    Unexpected,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_the_record_and_the_line() {
        let broken = Broken {
            line: 7,
            seq: Some(4),
            why: Fault::Missing { first: 4, last: 5 },
        };
        assert_eq!(
            broken.to_string(),
            "record 4 (line 7): missing: records 4 to 5 are not in the file"
        );
        let broken = Broken {
            line: 9,
            seq: None,
            why: Fault::Trailer,
        };
        assert_eq!(
            broken.to_string(),
            "trailer (line 9): altered: it contradicts itself"
        );
    }
}
