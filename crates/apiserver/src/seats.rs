//! Seats: how many watches and connections there are, and how many one user has.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::auth::User;
use crate::room::{Place, Room};
use crate::status_error::Status;

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
        let share = (count / 2).max(1);
        let common = Room::new(count - count / 8, share);
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

impl Guests {
    pub(crate) fn come(&self) -> Arc<Guest> {
        let guest = Arc::<Guest>::default();
        self.0.lock().push_back(Arc::clone(&guest));
        guest
    }

    /// Gives a seat to the one who is known now, if there is none yet.
    ///
    /// # Errors
    /// 429 when there is none for this user.
    pub(crate) fn seat(&self, guest: &Arc<Guest>, seats: &Seats, user: &User) -> Result<(), Status> {
        if guest.seat.get().is_none() && !user.is_anonymous() {
            let seat = seats.take(user)?;
            let _ = guest.seat.set(seat);
            self.go(guest);
        }
        Ok(())
    }

    pub(crate) fn go(&self, guest: &Arc<Guest>) {
        self.0.lock().retain(|other| !Arc::ptr_eq(other, guest));
    }

    /// Sends the first away who has no seat; whether there was one.
    pub(crate) fn send_away(&self) -> bool {
        let first = self.0.lock().pop_front();
        first.map(|guest| guest.out.notify_one()).is_some()
    }
}
