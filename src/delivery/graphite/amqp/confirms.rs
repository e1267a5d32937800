//! What became of the messages that were sent.

use super::wire::Malformed;
use std::ops::Range;

/// The messages that were sent, in the order of their tags, which count from 1.
#[derive(Debug, Default)]
pub(super) struct Confirms {
    sent: Vec<Sent>,
    /// Everything before this index is confirmed.
    oldest: usize,
    /// Bytes of messages that are not confirmed.
    in_flight: usize,
}

#[derive(Debug)]
struct Sent {
    /// Bytes of its frames.
    len: usize,
    is_returned: bool,
    fate: Fate,
}

/// What the broker said of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing yet.
    Unknown,
    /// It has taken it.
    Taken,
    /// No queue takes it.
    Returned,
    /// It could not take it.
    Refused,
}

impl Confirms {
    /// The tag of the message that is sent next.
    pub(super) fn next_tag(&self) -> usize {
        self.sent.len() + 1
    }

    /// Notes that a message of `len` bytes is sent.
    pub(super) fn add(&mut self, len: usize) {
        self.sent.push(Sent { len, is_returned: false, fate: Fate::Unknown });
        self.in_flight += len;
    }

    /// Notes that a message came back. The broker confirms it nevertheless, after that.
    ///
    /// # Errors
    /// When no such message waits for its confirm.
    pub(super) fn note_return(&mut self, id: &str) -> Result<(), Malformed> {
        let index = id.parse::<usize>().ok().and_then(|tag| tag.checked_sub(1));
        let waiting = index.and_then(|index| self.sent.get_mut(index)).filter(|sent| sent.fate == Fate::Unknown);
        waiting.ok_or(Malformed("a message back that was not sent, or that it had confirmed"))?.is_returned = true;
        Ok(())
    }

    /// Notes a confirm. One for a message that is confirmed already changes nothing.
    ///
    /// # Errors
    /// When no such message was sent.
    pub(super) fn note_confirm(&mut self, tag: u64, multiple: bool, is_taken: bool) -> Result<(), Malformed> {
        for index in self.confirmed(tag, multiple)? {
            let sent = &mut self.sent[index];
            if sent.fate == Fate::Unknown {
                sent.fate = match (is_taken, sent.is_returned) {
                    (false, _) => Fate::Refused,
                    (true, true) => Fate::Returned,
                    (true, false) => Fate::Taken,
                };
                self.in_flight -= sent.len;
            }
        }
        while self.sent.get(self.oldest).is_some_and(|sent| sent.fate != Fate::Unknown) {
            self.oldest += 1;
        }
        Ok(())
    }

    /// The indexes that a confirm is about. Tag 0 stands for all that were sent.
    fn confirmed(&self, tag: u64, multiple: bool) -> Result<Range<usize>, Malformed> {
        let end = match usize::try_from(tag) {
            Ok(0) if multiple => self.sent.len(),
            Ok(tag) if tag > 0 && tag <= self.sent.len() => tag,
            _ => return Err(Malformed("a confirm of a message that was not sent")),
        };
        let begin = if multiple { self.oldest.min(end) } else { end - 1 };
        Ok(begin..end)
    }

    /// Bytes of messages that are not confirmed.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// What became of each message.
    pub(super) fn fates(&self) -> impl Iterator<Item = Fate> {
        self.sent.iter().map(|sent| sent.fate)
    }

    /// How many messages have this fate.
    pub(super) fn count(&self, fate: Fate) -> usize {
        self.fates().filter(|other| *other == fate).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Fate::{Refused, Returned, Taken, Unknown};

    fn sent(count: usize) -> Confirms {
        let mut confirms = Confirms::default();
        (0..count).for_each(|_| confirms.add(10));
        confirms
    }

    #[test]
    fn amqp_confirms_are_for_one_message_or_for_all_up_to_it() {
        let mut confirms = sent(6);
        confirms.note_confirm(2, false, true).unwrap();
        confirms.note_confirm(4, false, false).unwrap();
        assert_eq!(confirms.fates().collect::<Vec<_>>(), [Unknown, Taken, Unknown, Refused, Unknown, Unknown]);
        assert_eq!(confirms.in_flight(), 40);
        confirms.note_confirm(5, true, true).unwrap();
        assert_eq!(confirms.fates().collect::<Vec<_>>(), [Taken, Taken, Taken, Refused, Taken, Unknown]);
        confirms.note_confirm(0, true, true).unwrap();
        assert_eq!((confirms.in_flight(), confirms.count(Taken)), (0, 5));
    }

    #[test]
    fn an_amqp_message_that_came_back_is_not_taken_by_its_confirm() {
        let mut confirms = sent(3);
        confirms.note_return("2").unwrap();
        confirms.note_confirm(3, true, true).unwrap();
        assert_eq!(confirms.fates().collect::<Vec<_>>(), [Taken, Returned, Taken]);
    }

    #[test]
    fn what_a_broker_says_twice_changes_nothing() {
        let mut confirms = sent(2);
        confirms.note_confirm(1, false, true).unwrap();
        confirms.note_confirm(1, true, false).unwrap();
        assert_eq!((confirms.count(Taken), confirms.in_flight()), (1, 10));
        assert!(confirms.note_return("1").is_err());
    }

    #[test]
    fn what_a_broker_says_of_a_message_that_was_not_sent_is_an_error() {
        let mut confirms = sent(2);
        for (tag, multiple) in [(0, false), (3, false), (3, true), (u64::MAX, true)] {
            assert!(confirms.note_confirm(tag, multiple, true).is_err(), "{tag} {multiple}");
        }
        for id in ["0", "3", "-1", "", "x"] {
            assert!(confirms.note_return(id).is_err(), "{id}");
        }
    }
}
