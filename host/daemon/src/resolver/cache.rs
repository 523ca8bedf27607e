//! Answers of others, kept for one container for as long as they say.
//!
//! A container's own: what one asks for neither drives out nor tells what
//! another asked for. The key is the question byte for byte, so that an
//! answer repeats what was asked, EDNS and letters' case included.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::message::{self, Lifetime};

/// Answers kept at most, and the bytes of a question and an answer worth it:
/// together half a megabyte.
const ENTRIES: usize = 256;
const LONGEST: usize = 2048;

/// Answers and denials are asked for again after that, whatever they say.
const MAX_SECONDS: u32 = 3600;

#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: HashMap<Vec<u8>, Kept>,
    /// Keys, oldest first.
    order: VecDeque<Vec<u8>>,
}

#[derive(Debug)]
struct Kept {
    answer: Vec<u8>,
    lifetime: Lifetime,
    since: Instant,
}

impl Kept {
    fn is_over(&self, now: Instant) -> bool {
        let seconds = self.lifetime.seconds.min(MAX_SECONDS);
        now.saturating_duration_since(self.since) >= Duration::from_secs(seconds.into())
    }
}

impl Cache {
    /// The answer to a question, as old as it is by now.
    pub(super) fn get(&self, question: &[u8], now: Instant) -> Option<Vec<u8>> {
        let kept = self.entries.get(question.get(2..)?)?;
        if kept.is_over(now) {
            return None;
        }
        let mut answer = message::with_id(&kept.answer, message::id(question)?)?;
        let seconds = now.saturating_duration_since(kept.since).as_secs();
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        message::age(&mut answer, &kept.lifetime, seconds);
        Some(answer)
    }

    /// Keeps an answer, if it may be kept.
    pub(super) fn put(&mut self, question: &[u8], answer: &[u8], now: Instant) {
        let Some(lifetime) = message::lifetime(answer) else {
            return;
        };
        let Some(key) = question.get(2..).filter(|key| key.len() <= LONGEST) else {
            return;
        };
        if answer.len() > LONGEST {
            return;
        }
        let kept = Kept {
            answer: answer.to_vec(),
            lifetime,
            since: now,
        };
        if self.entries.insert(key.to_vec(), kept).is_none() {
            self.order.push_back(key.to_vec());
        }
        while self.order.len() > ENTRIES {
            let oldest = self.order.pop_front();
            oldest.and_then(|key| self.entries.remove(&key));
        }
    }

    /// Forgets everything: other servers are asked from now on.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a.bc` A IN with one address for 20 seconds.
    const ANSWER: &[u8] = b"\0\x01\x81\x80\0\x01\0\x01\0\0\0\0\x01a\x02bc\0\0\x01\0\x01\
        \xc0\x0c\0\x01\0\x01\0\0\0\x14\0\x04\xc0\0\x02\x01";
    const TTL_AT: usize = 22 + 6 + 3;

    fn question(id: u8, name: u8) -> Vec<u8> {
        let mut bytes = b"\0\0\x01\0\0\x01\0\0\0\0\0\0\x01?\x02bc\0\0\x01\0\x01".to_vec();
        (bytes[1], bytes[13]) = (id, name);
        bytes
    }

    #[test]
    fn an_answer_is_given_again_with_the_questions_id_until_it_is_over() {
        let (mut cache, start) = (Cache::default(), Instant::now());
        cache.put(&question(1, b'a'), ANSWER, start);
        let again = cache.get(&question(7, b'a'), start + Duration::from_secs(19));
        let again = again.unwrap();
        assert_eq!((again[1], again[TTL_AT]), (7, 1));
        assert_eq!(cache.get(&question(7, b'A'), start), None);
        let over = start + Duration::from_secs(20);
        assert_eq!(cache.get(&question(7, b'a'), over), None);
    }

    #[test]
    fn the_oldest_of_too_many_answers_goes() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        for n in 0..=ENTRIES {
            let mut asked = question(1, b'a');
            asked.extend(n.to_be_bytes());
            cache.put(&asked, ANSWER, now);
        }
        assert_eq!((cache.entries.len(), cache.order.len()), (ENTRIES, ENTRIES));
        let mut first = question(1, b'a');
        first.extend(0usize.to_be_bytes());
        assert_eq!(cache.get(&first, now), None);
    }
}
