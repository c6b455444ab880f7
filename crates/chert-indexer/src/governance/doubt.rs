//! Answers that take something away are believed when they are repeated.
//!
//! A node that lags or is broken may answer with success and an empty or cut list. Nothing in it
//! says so; what does is that proposals are missing that were there, or that the votes do not add up
//! to the tally. On a chain whose tallies are counted otherwise that is the truth, so it is stored in
//! the end.

use std::collections::HashMap;

/// Equal answers in a row after which they are believed.
const REPEATS: u32 = 3;

/// Doubtful answers, by what was asked.
#[derive(Debug, Default)]
pub(crate) struct Doubts<Answer> {
    seen: HashMap<String, (Answer, u32)>,
}

impl<Answer: PartialEq> Doubts<Answer> {
    /// Notes a doubtful answer; `true` once it was given so often in a row that it is believed.
    pub(crate) fn is_repeated(&mut self, asked: &str, answer: Answer) -> bool {
        match self.seen.get_mut(asked) {
            Some((before, times)) if *before == answer => {
                *times = times.saturating_add(1);
                *times >= REPEATS
            }
            _ => {
                self.seen.insert(asked.to_owned(), (answer, 1));
                false
            }
        }
    }

    /// The answer leaves no doubt.
    pub(crate) fn clear(&mut self, asked: &str) {
        self.seen.remove(asked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_answer_in_a_row_is_believed() {
        let mut doubts = Doubts::default();
        assert!(!doubts.is_repeated("a", 1) && !doubts.is_repeated("a", 1));
        assert!(!doubts.is_repeated("b", 1));
        assert!(doubts.is_repeated("a", 1) && doubts.is_repeated("a", 1));
        assert!(!doubts.is_repeated("a", 2));
        doubts.clear("b");
        assert!(!doubts.is_repeated("b", 1) && !doubts.is_repeated("b", 1));
    }
}
