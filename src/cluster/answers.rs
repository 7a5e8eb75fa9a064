//! Answers: what access reviews said, remembered until somebody's rights may have changed.
//!
//! For reports only: an admission asks anew. What could not be asked is never remembered. Does not know what makes
//! rights change; whoever does forgets them all.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long an answer holds where no change was seen: not every authorizer is RBAC, and others tell nobody.
pub const LONGEST: Duration = Duration::from_mins(15);
/// The most answers that are remembered; one more, and all are forgotten.
const CAPACITY: usize = 8192;

/// Answers by question.
#[derive(Debug, Default)]
pub struct Answers(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    known: BTreeMap<String, (bool, Instant)>,
    /// How often all was forgotten.
    edition: u64,
}

/// A question that is being asked: its answer counts only if nothing was forgotten meanwhile.
#[derive(Debug)]
pub struct Asking {
    question: String,
    edition: u64,
}

impl Answers {
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to a question, or what it takes to learn it.
    ///
    /// # Errors
    /// Nobody knows: it has to be asked.
    pub fn find(&self, question: String, now: Instant) -> Result<bool, Asking> {
        let book = self.lock();
        match book.known.get(&question) {
            Some((answer, since)) if now.saturating_duration_since(*since) < LONGEST => Ok(*answer),
            _ => Err(Asking {
                question,
                edition: book.edition,
            }),
        }
    }

    /// Remembers an answer.
    pub fn learn(&self, asking: Asking, answer: bool, now: Instant) {
        let mut book = self.lock();
        if asking.edition != book.edition {
            return;
        }
        if book.known.len() >= CAPACITY {
            book.known.clear();
        }
        book.known.insert(asking.question, (answer, now));
    }

    /// Forgets every answer, those included that are still awaited.
    pub fn forget(&self) {
        let mut book = self.lock();
        book.known.clear();
        book.edition = book.edition.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(answers: &Answers) -> Asking {
        answers.find("bob?".into(), Instant::now()).unwrap_err()
    }

    #[test]
    fn an_answer_is_remembered_until_it_is_old() {
        let (answers, now) = (Answers::default(), Instant::now());
        answers.learn(ask(&answers), true, now);
        assert!(answers.find("bob?".into(), now).unwrap());
        assert!(answers.find("bob?".into(), now + LONGEST).is_err());
    }

    #[test]
    fn a_change_of_rights_forgets_what_was_said_and_what_is_about_to_be() {
        let answers = Answers::default();
        answers.learn(ask(&answers), true, Instant::now());
        answers.forget();
        let asking = ask(&answers);
        answers.forget();
        answers.learn(asking, true, Instant::now());
        ask(&answers);
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let (answers, now) = (Answers::default(), Instant::now());
        for n in 0..=CAPACITY {
            let asking = answers.find(n.to_string(), now).unwrap_err();
            answers.learn(asking, true, now);
        }
        assert_eq!(answers.lock().known.len(), 1);
    }
}
