//! The heap room's promises: order, calling off, moving.

use super::{Item, Place, Timers};
use crate::sys::clock::NEVER;

#[derive(Clone, Copy, Debug)]
struct Handle<'a>(&'a Place, u32);

impl Item for Handle<'_> {
    fn place(&self) -> Option<&Place> {
        Some(self.0)
    }
}

fn due(timers: &Timers<Handle<'_>>, now: u64) -> Vec<u32> {
    let mut out = Vec::new();
    timers.take_due(now, |item| Some(item.1), |n| out.push(n));
    out
}

#[test]
fn due_items_come_in_order_and_called_off_ones_never() {
    let places: Vec<_> = (0..100).map(|_| Place::new()).collect();
    let timers = Timers::new(3);
    for (n, place) in places.iter().enumerate() {
        timers.add(1000 - n as u64 / 2 * 10, Handle(place, n as u32));
    }
    for n in (0..100).step_by(3) {
        assert_eq!(timers.remove(&places[n]).map(|h| h.1), Some(n as u32));
        assert!(timers.remove(&places[n]).is_none(), "off once");
        assert_eq!(places[n].home(), None);
    }
    let mut expected: Vec<u32> = (0..100).filter(|n| n % 3 != 0).collect();
    expected.sort_by_key(|n| (1000 - n / 2 * 10, *n));
    assert_eq!(due(&timers, 1000), expected, "ties in the order of their coming");
    assert_eq!(timers.next(), NEVER);
}

#[test]
fn place_follows_its_item_to_another_heap() {
    let (a, b) = (Timers::new(0), Timers::new(1));
    let places = [Place::new(), Place::new()];
    assert!(a.add(20, Handle(&places[0], 0)), "it is the earliest");
    assert!(!a.add(30, Handle(&places[1], 1)));
    a.move_to(&b);
    assert_eq!((a.next(), b.next()), (NEVER, 20));
    assert_eq!(places[0].home(), Some(1));
    assert!(a.remove(&places[0]).is_none());
    assert!(b.remove(&places[0]).is_some());
    assert_eq!(b.next(), 30);
    assert_eq!(due(&b, 30), [1]);
}
