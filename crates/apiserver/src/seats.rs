//! Seats: how many watches and connections there are, and how many one user has.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::room::{Place, Room};
use crate::status_error::Status;
use crate::user::User;

/// So many seats; nobody but masters takes more than half of them, and a few are kept for masters.
pub(crate) struct Seats {
    /// What they are for, in messages.
    what: &'static str,
    all: Arc<Semaphore>,
    common: Room,
    share: usize,
}

/// A seat that is taken until this is dropped.
pub(crate) struct Seat {
    _all: OwnedSemaphorePermit,
    _common: Option<Place>,
}

impl Seats {
    pub(crate) fn new(what: &'static str, count: usize) -> Self {
        let count = count.min(Semaphore::MAX_PERMITS);
        let share = (count / 2).max(1);
        // Where there are two seats already, one is for masters.
        let kept = (count / 8).max(usize::from(count > 1));
        let common = Room::new(count - kept, share);
        Self { what, all: Arc::new(Semaphore::new(count)), common, share }
    }

    /// Takes one for a user.
    ///
    /// # Errors
    /// 429 when his share of them is taken, or all are.
    pub(crate) fn take(&self, user: &User) -> Result<Seat, Status> {
        let Self { what, share, .. } = self;
        let none = || Status::too_many(&format!("there are too many {what}, please try again later"));
        let common = match user.is_master() {
            true => None,
            false => Some(self.common.take_now(&user.name, 1).ok_or_else(|| {
                if !self.common.is_share_taken(&user.name) {
                    return none();
                }
                Status::too_many(&format!(
                    "\"{}\" has {share} {what}, and who shares with it; nobody may have more: end some of them, or try again later",
                    user.name
                ))
            })?),
        };
        let all = Arc::clone(&self.all).try_acquire_owned().map_err(|_| none())?;
        Ok(Seat { _all: all, _common: common })
    }
}

/// A connection. Until somebody who is known asks for something over it, it has no seat and may be sent away.
#[derive(Default)]
pub(crate) struct Guest {
    seat: OnceLock<Seat>,
    /// Told when it is sent away.
    pub(crate) out: Notify,
}

/// Connections that have no seat, who came first in front.
#[derive(Default)]
pub(crate) struct Guests(Mutex<VecDeque<Arc<Guest>>>);

/// One who came and is there until this is dropped.
pub(crate) struct Visit {
    pub(crate) guests: Arc<Guests>,
    pub(crate) guest: Arc<Guest>,
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.guests.0.lock().retain(|other| !Arc::ptr_eq(other, &self.guest));
    }
}

impl Guests {
    pub(crate) fn come(self: &Arc<Self>) -> Visit {
        let guest = Arc::<Guest>::default();
        self.0.lock().push_back(Arc::clone(&guest));
        Visit { guests: Arc::clone(self), guest }
    }

    /// Gives a seat to the one who is known now, if there is none yet.
    ///
    /// # Errors
    /// 429 when there is none for this user, or he is being sent away.
    pub(crate) fn seat(&self, guest: &Arc<Guest>, seats: &Seats, user: &User) -> Result<(), Status> {
        if guest.seat.get().is_some() || user.is_anonymous() {
            return Ok(());
        }
        let mut waiting = self.0.lock();
        let Some(at) = waiting.iter().position(|other| Arc::ptr_eq(other, guest)) else {
            // Another request over the same connection may have come first.
            let is_seated = guest.seat.get().is_some();
            let why = "there are too many connections, please try again later";
            return if is_seated { Ok(()) } else { Err(Status::too_many(why)) };
        };
        let _ = guest.seat.set(seats.take(user)?);
        waiting.remove(at);
        Ok(())
    }

    /// Sends the first away who has no seat; whether there was one.
    pub(crate) fn send_away(&self) -> bool {
        let first = self.0.lock().pop_front();
        first.map(|guest| guest.out.notify_one()).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> User {
        User { name: name.into(), groups: vec!["system:authenticated".into()], ..User::default() }
    }

    #[test]
    fn a_seat_is_kept_for_masters_and_no_number_is_too_large() {
        let seats = Seats::new("connections", 4);
        let taken: Vec<_> =
            ["a", "b", "c", "d"].iter().filter_map(|name| seats.take(&user(name)).ok()).collect();
        assert_eq!(taken.len(), 3);
        let master = User { groups: vec!["system:masters".into()], ..user("m") };
        assert!(seats.take(&master).is_ok());
        assert!(Seats::new("connections", usize::MAX).take(&user("a")).is_ok());
    }

    #[test]
    fn who_is_sent_away_gets_no_seat_any_more() {
        let (guests, seats) = (Arc::new(Guests::default()), Seats::new("connections", 4));
        let (first, second) = (guests.come(), guests.come());
        assert!(guests.send_away());
        assert!(guests.seat(&first.guest, &seats, &user("a")).is_err());
        assert!(guests.seat(&second.guest, &seats, &user("a")).is_ok());
        assert!(guests.seat(&second.guest, &seats, &user("a")).is_ok(), "it has one");
        assert!(!guests.send_away(), "who has a seat stays");
        drop((first, second));
        let third = guests.come();
        drop(third);
        assert!(!guests.send_away(), "who went is not there");
    }
}
