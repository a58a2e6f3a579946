//! The seats at one origin: how many requests it answers at once, and how clients share them.
//!
//! A client may hold a quarter of the open seats, and more only while more than half of them are free. Further requests wait in
//! the client's own queue, and the queues take turns; so a client that asks for too much only delays itself.
//!
//! A seat stands for work of the origin. While an answer waits for its visitor, who reads slowly or not at all, its seat is lent
//! to a waiting request; as soon as the answer waits for the origin again, it gets a seat back, beyond the open ones if
//! necessary. It counts towards its client's share all the time.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::clock;
use crate::http::client::ClientKey;
use crate::http::pace::BEHIND;

/// The seats that every client may hold, if there are as many.
const LEAST: usize = 4;
/// The most waiting requests of one client; further ones are refused at once.
const WAITING_OF_ONE: usize = 1024;
/// The most waiting requests of all clients.
const WAITING: usize = 16_384;
/// The most answers without a seat per open seat: each holds a connection to the origin.
const LENT: usize = 4;
/// How often a waiting request looks for a seat that can be lent.
const LOOK: Duration = Duration::from_millis(250);

/// See the module.
#[derive(Debug)]
pub(super) struct Seats(Mutex<Occupancy>);

#[derive(Debug, Default)]
struct Occupancy {
    open: usize,
    taken: usize,
    waiting: usize,
    /// Seats whose answers wait for their visitors, the longest first. A number tells those of one moment apart.
    behind: BTreeSet<Behind>,
    last: u64,
    /// Answers whose seats are lent.
    lent: usize,
    clients: HashMap<ClientKey, Share>,
    /// Clients with a queue, each once, the next one first.
    turns: VecDeque<ClientKey>,
}

/// Since when an answer waits for its visitor, and which one it is.
type Behind = (Instant, u64);

/// What one client holds, and waits for.
#[derive(Debug, Default)]
struct Share {
    /// Those that are lent among them.
    held: usize,
    queue: VecDeque<oneshot::Sender<Seat>>,
}

/// The right to have one request answered; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Seat {
    /// `None` once it has been given back.
    seats: Option<Arc<Seats>>,
    client: ClientKey,
    /// While its answer waits for the visitor.
    behind: Option<Behind>,
}

/// An answer's extension: how long its request queued here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queued(pub(super) Duration);

/// What becomes of a request that wants a seat.
#[derive(Debug)]
pub(super) enum Turn {
    /// It has one.
    Now(Seat),
    /// It gets one through this.
    Later(oneshot::Receiver<Seat>),
    /// Too many wait already.
    Never,
}

/// Whether a client who holds `held` seats may take one more, when `taken` of the `open` ones are taken. He may hold more
/// than are taken: those that are lent.
fn may_take(held: usize, taken: usize, open: usize) -> bool {
    let share = (open / 4).max(LEAST);
    taken < open && (held < share || open.saturating_sub(taken.max(held)) > open / 2)
}

impl Seats {
    pub(super) fn new(open: usize) -> Seats {
        Seats(Mutex::new(Occupancy { open, ..Occupancy::default() }))
    }

    /// A seat for a request of `client`, or a place in his queue.
    pub(super) fn take(self: &Arc<Self>, client: ClientKey) -> Turn {
        let mut state = self.lock();
        let (taken, open) = (state.taken, state.open);
        let share = state.clients.entry(client).or_default();
        if share.queue.is_empty() && may_take(share.held, taken, open) {
            share.held += 1;
            state.taken += 1;
            return Turn::Now(Seat { seats: Some(self.clone()), client, behind: None });
        }
        if share.queue.len() >= WAITING_OF_ONE {
            let before = share.queue.len();
            share.queue.retain(|waiting| !waiting.is_closed());
            let (now, left) = (share.queue.len(), before - share.queue.len());
            state.waiting -= left;
            if now >= WAITING_OF_ONE {
                return Turn::Never;
            }
        }
        if state.waiting >= WAITING {
            state.forget_if_idle(client);
            return Turn::Never;
        }
        let (give, get) = oneshot::channel();
        state.waiting += 1;
        let queue = &mut state.clients.entry(client).or_default().queue;
        queue.push_back(give);
        if queue.len() == 1 {
            state.turns.retain(|other| *other != client);
            state.turns.push_back(client);
        }
        Turn::Later(get)
    }

    /// Opens or closes seats; taken ones stay taken until they are given back.
    pub(super) fn set_open(self: &Arc<Self>, open: usize) {
        let mut state = self.lock();
        state.open = open;
        self.hand_out(state);
    }

    /// Seats that are taken.
    pub(super) fn taken(&self) -> usize {
        self.lock().taken
    }

    /// Whether all are taken: whoever waits now may wait for us, and not for the origin.
    pub(super) fn are_full(&self) -> bool {
        let state = self.lock();
        state.taken >= state.open
    }

    /// Waits for a seat, among those that are lent, too.
    pub(super) async fn wait(self: &Arc<Self>, mut turn: oneshot::Receiver<Seat>) -> Option<Seat> {
        loop {
            self.lend(clock::instant());
            if let Ok(seat) = tokio::time::timeout(LOOK, &mut turn).await {
                return seat.ok();
            }
        }
    }

    /// Lends the seats of slow visitors to waiting requests.
    fn lend(self: &Arc<Self>, now: Instant) {
        let mut state = self.lock();
        let most = (state.waiting + state.taken).saturating_sub(state.open);
        let most = most.min((state.open * LENT).saturating_sub(state.lent));
        let mut lent = 0;
        while lent < most
            && let Some(&(since, _)) = state.behind.first()
            && now.saturating_duration_since(since) >= BEHIND
        {
            state.behind.pop_first();
            lent += 1;
        }
        state.lent += lent;
        state.taken -= lent;
        if lent > 0 {
            self.hand_out(state);
        }
    }

    fn give_back(self: &Arc<Self>, client: ClientKey, behind: Option<Behind>) {
        let mut state = self.lock();
        state.sit_down(behind);
        state.taken -= 1;
        if let Some(share) = state.clients.get_mut(&client) {
            share.held -= 1;
        }
        state.forget_if_idle(client);
        self.hand_out(state);
    }

    /// Gives free seats to waiting requests, one client at a time.
    fn hand_out(self: &Arc<Self>, mut state: MutexGuard<'_, Occupancy>) {
        let mut passed = 0;
        while state.taken < state.open && passed < state.turns.len() {
            let Some(client) = state.turns.pop_front() else { return };
            if state.serve(client, self) {
                passed = 0;
            } else {
                passed += 1;
            }
            let waits = state.clients.get(&client).is_some_and(|share| !share.queue.is_empty());
            if waits {
                state.turns.push_back(client);
            } else {
                passed = 0;
                state.forget_if_idle(client);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Occupancy> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Occupancy {
    /// Gives the client's first waiting request a seat; returns whether there was one.
    fn serve(&mut self, client: ClientKey, seats: &Arc<Seats>) -> bool {
        let (taken, open) = (self.taken, self.open);
        let Some(share) = self.clients.get_mut(&client) else { return false };
        if !may_take(share.held, taken, open) {
            // those who have gone are not waited for
            while share.queue.front().is_some_and(oneshot::Sender::is_closed) {
                share.queue.pop_front();
                self.waiting -= 1;
            }
            return false;
        }
        while let Some(waiting) = share.queue.pop_front() {
            self.waiting -= 1;
            match waiting.send(Seat { seats: Some(seats.clone()), client, behind: None }) {
                Ok(()) => {
                    share.held += 1;
                    self.taken += 1;
                    return true;
                }
                // gone; the seat was not counted yet
                Err(mut seat) => seat.seats = None,
            }
        }
        false
    }

    /// Gives an answer its seat back, if it was lent.
    fn sit_down(&mut self, behind: Option<Behind>) {
        if let Some(behind) = behind
            && !self.behind.remove(&behind)
        {
            self.lent -= 1;
            self.taken += 1;
        }
    }

    fn forget_if_idle(&mut self, client: ClientKey) {
        if self.clients.get(&client).is_some_and(|share| share.held == 0 && share.queue.is_empty()) {
            self.clients.remove(&client);
        }
    }
}

impl Seat {
    /// From now on the answer waits for its visitor.
    pub(super) fn wait_for_visitor(&mut self, now: Instant) {
        if let (Some(seats), None) = (&self.seats, self.behind) {
            let mut state = seats.lock();
            state.last += 1;
            let behind = (now, state.last);
            state.behind.insert(behind);
            self.behind = Some(behind);
        }
    }

    /// The visitor has caught up; the answer waits for the origin.
    pub(super) fn wait_for_origin(&mut self) {
        if let (Some(seats), Some(behind)) = (&self.seats, self.behind.take()) {
            seats.lock().sit_down(Some(behind));
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(seats) = self.seats.take() {
            seats.give_back(self.client, self.behind.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(n: u8) -> ClientKey {
        ClientKey::of(std::net::IpAddr::from([192, 0, 2, n]))
    }

    fn now(seats: &Arc<Seats>, n: u8) -> Option<Seat> {
        match seats.take(client(n)) {
            Turn::Now(seat) => Some(seat),
            Turn::Later(_) | Turn::Never => None,
        }
    }

    fn later(seats: &Arc<Seats>, n: u8) -> oneshot::Receiver<Seat> {
        match seats.take(client(n)) {
            Turn::Later(get) => get,
            other @ (Turn::Now(_) | Turn::Never) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_share_is_a_quarter_and_more_while_half_is_free() {
        for (held, taken, open, may) in [
            (0, 0, 512, true),
            (127, 400, 512, true),
            (128, 128, 512, true),
            (200, 255, 512, true),
            (255, 255, 512, true),
            (256, 256, 512, false),
            (128, 256, 512, false),
            (0, 512, 512, false),
            (3, 3, 4, true),
            (4, 4, 8, false),
            (0, 0, 0, false),
        ] {
            assert_eq!(may_take(held, taken, open), may, "{held} held, {taken} of {open} taken");
        }
    }

    #[test]
    fn one_client_never_holds_what_others_want() {
        let seats = Arc::new(Seats::new(512));
        let mut held: Vec<Seat> = std::iter::from_fn(|| now(&seats, 1)).collect();
        assert_eq!(held.len(), 256, "half of them, as long as nobody else wants them");
        let others: Vec<Seat> = std::iter::from_fn(|| now(&seats, 2)).collect();
        assert_eq!(others.len(), 128);
        assert!(now(&seats, 3).is_some(), "and there is room for a third");
        held.truncate(130);
        assert!(now(&seats, 1).is_none(), "he waits until he is down to his share");
    }

    #[test]
    fn queues_take_turns() {
        let seats = Arc::new(Seats::new(4));
        let mut held: Vec<Seat> = (0..4).map(|_| now(&seats, 1).unwrap()).collect();
        let mut greedy: Vec<_> = (0..10).map(|_| later(&seats, 1)).collect();
        let mut modest = later(&seats, 2);
        held.truncate(2);
        let first = greedy[0].try_recv().unwrap();
        assert!(greedy[1].try_recv().is_err());
        let second = modest.try_recv().unwrap();
        assert_eq!((seats.taken(), seats.are_full()), (4, true));
        drop((first, second, held, greedy));
        assert_eq!(seats.taken(), 0);
        assert!(now(&seats, 1).is_some(), "those who have gone are not waited for");
        let state = seats.lock();
        assert_eq!((state.waiting, state.clients.len(), state.turns.len()), (0, 0, 0));
    }

    #[test]
    fn who_leaves_the_queue_keeps_no_seat() {
        let seats = Arc::new(Seats::new(1));
        let held = now(&seats, 1).unwrap();
        let (gone, mut next) = (later(&seats, 2), later(&seats, 3));
        let mut served = later(&seats, 4);
        drop(gone);
        drop(held);
        let seat = next.try_recv().unwrap();
        drop(seat);
        assert!(served.try_recv().is_ok());
        assert_eq!(seats.taken(), 0);
    }

    #[test]
    fn who_waits_gets_the_seats_of_those_who_do_not_read() {
        let seats = Arc::new(Seats::new(8));
        let start = clock::instant();
        let mut held: Vec<Seat> = (0..8).map(|n| now(&seats, n / 4).unwrap()).collect();
        let mut third = later(&seats, 3);
        held[0].wait_for_visitor(start);
        held[1].wait_for_visitor(start);
        held[1].wait_for_origin();
        seats.lend(start + BEHIND / 2);
        assert!(third.try_recv().is_err(), "not at once");
        seats.lend(start + BEHIND);
        let third = third.try_recv().unwrap();
        let mut fourth = later(&seats, 4);
        seats.lend(start + BEHIND * 2);
        assert!(fourth.try_recv().is_err(), "all others work");
        held[0].wait_for_origin();
        assert_eq!(seats.taken(), 9, "he reads on, beyond the limit");
        drop(third);
        assert!(fourth.try_recv().is_err(), "which holds for those who come");
        held[2].wait_for_visitor(start);
        drop(held);
        assert!(fourth.try_recv().is_ok());
        let state = seats.lock();
        assert_eq!((state.taken, state.lent, state.behind.len(), state.clients.len()), (0, 0, 0, 0));
    }

    #[test]
    fn what_is_lent_counts_in_its_clients_share_and_has_a_bound() {
        let seats = Arc::new(Seats::new(8));
        let start = clock::instant();
        let late = start + BEHIND;
        let mut lent = Vec::new();
        let mut waiting = Vec::new();
        for n in 1..=10 {
            let mut held: Vec<Seat> = std::iter::from_fn(|| now(&seats, n)).collect();
            held.iter_mut().for_each(|seat| seat.wait_for_visitor(start));
            lent.extend(held);
            waiting.extend((0..8).map(|_| later(&seats, n)));
            seats.lend(late);
        }
        let held = waiting.iter_mut().filter_map(|turn| turn.try_recv().ok()).count() + lent.len();
        assert!(seats.lock().lent <= 8 * LENT);
        assert!(held <= 8 * (LENT + 1));
        assert!(seats.lock().clients.values().all(|share| share.held <= LEAST));
    }

    #[test]
    fn queues_have_an_end() {
        let seats = Arc::new(Seats::new(1));
        let _held = now(&seats, 1).unwrap();
        let mut queue: Vec<_> = (0..WAITING_OF_ONE).map(|_| later(&seats, 1)).collect();
        assert!(matches!(seats.take(client(1)), Turn::Never));
        let _other = later(&seats, 2);
        queue.pop();
        let _again = later(&seats, 1);
        assert!(matches!(seats.take(client(1)), Turn::Never));
    }

    #[test]
    fn seats_open_little_by_little() {
        let seats = Arc::new(Seats::new(8));
        seats.set_open(2);
        let _a = (now(&seats, 1).unwrap(), now(&seats, 1).unwrap());
        let mut third = later(&seats, 1);
        seats.set_open(4);
        assert!(third.try_recv().is_ok());
        seats.set_open(1);
        assert!(seats.are_full() && now(&seats, 2).is_none());
    }
}
