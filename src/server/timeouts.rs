//! The reaper's judgement of one connection: pure, fed with readings of its counters.

use std::time::{Duration, Instant};

use super::activity::{End, Pulse};
use super::limits::Limits;
use crate::http::pace::Pace;

/// How long a closed connection waits for the client to close its side, so that the last answer is not lost to a
/// reset (RFC 9112 section 9.6).
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// HTTP/2 moves bytes that say nothing (PING, SETTINGS, WINDOW_UPDATE): less than this is no movement.
const MOVEMENT: u64 = 1024;

/// What has to be done with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Nothing.
    Leave,
    /// Ask it to finish.
    Dismiss(End),
    /// End it now.
    Kill(End),
}

/// What was seen of a connection so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    opened: Instant,
    seen: Pulse,
    moved: Instant,
    head: Option<Instant>,
    closing: Option<Instant>,
    dismissed: Option<Instant>,
    /// How fast the client reads, while bytes wait for him.
    reading: Option<Pace>,
    written: u64,
}

impl Timeouts {
    pub(super) fn new(now: Instant) -> Timeouts {
        Timeouts {
            opened: now,
            seen: Pulse::default(),
            moved: now,
            head: None,
            closing: None,
            dismissed: None,
            reading: None,
            written: 0,
        }
    }

    /// When something last moved, as far as was seen.
    pub(super) fn moved(&self) -> Instant {
        self.moved
    }

    /// Judges a connection by what moved since it was last looked at.
    pub(super) fn judge(&mut self, pulse: Pulse, limits: &Limits, now: Instant) -> Judgement {
        self.note(pulse, now);
        if let Some(since) = self.closing {
            let over = now.duration_since(since) >= LINGER;
            return if over { Judgement::Kill(End::Lingering) } else { Judgement::Leave };
        }
        let still = now.duration_since(self.moved) >= limits.idle_timeout;
        if pulse.upgraded {
            return if still { Judgement::Kill(End::Idle) } else { Judgement::Leave };
        }
        if self.is_slow_reader(pulse, limits, now) {
            return Judgement::Kill(End::SlowReader);
        }
        if pulse.calls == 0 {
            return match now.duration_since(self.opened) >= limits.header_timeout {
                true if pulse.read == 0 => Judgement::Kill(End::Unused),
                true => Judgement::Kill(End::SlowHead),
                false => Judgement::Leave,
            };
        }
        if pulse.calls != pulse.ended {
            return if still { Judgement::Kill(End::Stalled) } else { Judgement::Leave };
        }
        if self.head.is_some_and(|since| now.duration_since(since) >= limits.header_timeout) {
            return Judgement::Kill(End::SlowHead);
        }
        match self.dismissed {
            // HTTP/2 says goodbye and waits for the client's word; HTTP/1 is gone by then, or stuck in a write
            Some(since) if now.duration_since(since) >= LINGER && still => Judgement::Kill(End::Idle),
            None if still => Judgement::Dismiss(End::Idle),
            Some(_) | None => Judgement::Leave,
        }
    }

    /// Whether bytes wait for a client who reads too slowly. Where none wait, it is the origin that is slow, or silent.
    fn is_slow_reader(&mut self, pulse: Pulse, limits: &Limits, now: Instant) -> bool {
        let more = pulse.written - std::mem::replace(&mut self.written, pulse.written);
        if !pulse.unsent {
            self.reading = None;
            return false;
        }
        let pace = self.reading.get_or_insert_with(|| Pace::reading(limits.idle_timeout, now));
        pace.note(more, now);
        now >= pace.deadline()
    }

    fn note(&mut self, pulse: Pulse, now: Instant) {
        let bytes = (pulse.read - self.seen.read) + (pulse.written - self.seen.written);
        let called = (pulse.calls, pulse.ended) != (self.seen.calls, self.seen.ended);
        let least = if pulse.http1 || pulse.upgraded { 1 } else { MOVEMENT };
        if called || bytes >= least || pulse.upgraded != self.seen.upgraded {
            self.moved = now;
            self.seen = pulse;
        }
        // between requests of HTTP/1, every byte that comes belongs to the next one's head
        let in_head = pulse.http1 && pulse.calls == pulse.ended && pulse.read > pulse.read_at_end;
        self.head = match self.head {
            Some(since) if in_head && !called => Some(since),
            Some(_) | None => in_head.then_some(now),
        };
        self.closing = if pulse.closing { self.closing.or(Some(now)) } else { None };
        self.dismissed = if pulse.dismissed { self.dismissed.or(Some(now)) } else { None };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            connections: 1,
            connections_per_client: 1,
            header_size: 32 << 10,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            unread: 256 << 20,
            descriptors: crate::descriptors::Use::Visitor,
            exempt: Vec::new(),
        }
    }

    /// Feeds `pulses`, one a second, the last one for ever; says when the first judgement fell, and which.
    fn run(pulses: &[Pulse]) -> (u64, Judgement) {
        let start = crate::clock::instant();
        let mut timeouts = Timeouts::new(start);
        for second in 0..1000 {
            let pulse = pulses[(second as usize).min(pulses.len() - 1)];
            match timeouts.judge(pulse, &limits(), start + Duration::from_secs(second)) {
                Judgement::Leave => {}
                judgement @ (Judgement::Dismiss(_) | Judgement::Kill(_)) => return (second, judgement),
            }
        }
        (1000, Judgement::Leave)
    }

    const DONE: Pulse = Pulse {
        read: 100,
        written: 200,
        calls: 1,
        ended: 1,
        read_at_end: 100,
        unsent: false,
        http1: true,
        upgraded: false,
        dismissed: false,
        closing: false,
    };

    #[test]
    fn a_connection_without_a_byte_ends_at_the_header_timeout() {
        assert_eq!(run(&[Pulse::default()]), (10, Judgement::Kill(End::Unused)));
    }

    #[test]
    fn bytes_do_not_prolong_the_first_head() {
        let drip: Vec<Pulse> = (0..100).map(|read| Pulse { read, http1: true, ..Pulse::default() }).collect();
        assert_eq!(run(&drip), (10, Judgement::Kill(End::SlowHead)));
    }

    #[test]
    fn bytes_do_not_prolong_a_later_head() {
        let mut drip = vec![DONE; 20];
        drip.extend((0..100).map(|more| Pulse { read: 101 + more, ..DONE }));
        assert_eq!(run(&drip), (30, Judgement::Kill(End::SlowHead)));
    }

    #[test]
    fn a_new_request_starts_a_new_head() {
        let pulses: Vec<Pulse> = (1..=40)
            .map(|n| Pulse { calls: n, ended: n, read: n * 100 + 1, read_at_end: n * 100, ..DONE })
            .collect();
        assert_eq!(run(&pulses), (49, Judgement::Kill(End::SlowHead)), "the last head began at 39");
    }

    #[test]
    fn between_requests_the_idle_timeout_holds() {
        assert_eq!(run(&[DONE]), (75, Judgement::Dismiss(End::Idle)));
    }

    #[test]
    fn a_request_in_which_bytes_move_lives_and_one_in_which_none_does_ends() {
        let busy: Vec<Pulse> =
            (0..200).map(|written| Pulse { calls: 2, written: 200 + written, ..DONE }).collect();
        assert_eq!(run(&busy), (199 + 75, Judgement::Kill(End::Stalled)));
    }

    #[test]
    fn pings_do_not_prolong_an_idle_http2_connection_and_data_do() {
        let idle = Pulse { http1: false, ..DONE };
        let pings: Vec<Pulse> =
            (0..500).map(|n| Pulse { read: 100 + n / 10 * 17, written: 200 + n / 10 * 17, ..idle }).collect();
        assert_eq!(run(&pings), (75, Judgement::Dismiss(End::Idle)));
        let data: Vec<Pulse> = (0..500).map(|n| Pulse { written: 200 + n * 26, ..idle }).collect();
        let (second, judgement) = run(&data);
        assert_eq!(judgement, Judgement::Dismiss(End::Idle));
        assert!((500..500 + 75).contains(&second), "the last KiB went out before 500: {second}");
    }

    #[test]
    fn an_upgraded_connection_has_no_head_but_an_idle_timeout() {
        let open = Pulse { upgraded: true, read: 500, ..DONE };
        assert_eq!(run(&[open]), (75, Judgement::Kill(End::Idle)));
    }

    #[test]
    fn who_does_not_read_is_cut_and_who_waits_for_the_origin_is_not() {
        let under_way = Pulse { calls: 2, unsent: true, ..DONE };
        let trickle = |each: u64, every: u64| -> Vec<Pulse> {
            (0..400).map(|n| Pulse { written: 200 + n / every * each, ..under_way }).collect()
        };
        assert_eq!(run(&[under_way]), (60, Judgement::Kill(End::SlowReader)));
        assert_eq!(
            run(&[Pulse { ended: 2, ..under_way }]).1,
            Judgement::Kill(End::SlowReader),
            "after its answer"
        );
        assert_eq!(run(&trickle(1, 1)), (61, Judgement::Kill(End::SlowReader)));
        let slow = run(&trickle(32 << 10, 50));
        assert!(slow.0 > 400, "a telephone far away: {slow:?}");
        let long_poll = Pulse { calls: 2, ..DONE };
        assert_eq!(run(&[long_poll]), (75, Judgement::Kill(End::Stalled)), "by the idle timeout alone");
    }

    #[test]
    fn a_closing_connection_is_waited_for_shortly() {
        assert_eq!(run(&[Pulse { closing: true, ..DONE }]), (2, Judgement::Kill(End::Lingering)));
    }

    #[test]
    fn who_does_not_go_when_asked_is_ended() {
        let mut pulses = vec![DONE; 76];
        pulses.push(Pulse { dismissed: true, http1: false, ..DONE });
        let start = crate::clock::instant();
        let mut timeouts = Timeouts::new(start);
        let mut said = Vec::new();
        for second in 0..100 {
            let pulse = pulses[(second as usize).min(pulses.len() - 1)];
            let judgement = timeouts.judge(pulse, &limits(), start + Duration::from_secs(second));
            if judgement != Judgement::Leave {
                said.push((second, judgement));
            }
        }
        assert_eq!(said[0], (75, Judgement::Dismiss(End::Idle)));
        assert_eq!(said[1], (78, Judgement::Kill(End::Idle)));
    }
}
