//! What a function's exception table says of a call in it: the format that LLVM and gcc emit and
//! that Rust's personality routine reads. Pure: bytes in, verdict out.
//!
//! ```text
//!   landing pad base   encoding byte [pointer]        "omit": the function's start
//!   type table         encoding byte [length]         of no interest here
//!   call sites         encoding byte, length, then records sorted by start:
//!                      start, length, landing pad (0: none), action (0: cleanup only)
//!   actions            records: filter (0 cleanup, > 0 catch, < 0 "may not unwind"), next
//! ```

/// What the unwinder finds at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Site {
    /// Not listed: the compiler has proved that the call does not unwind. An unwind that comes here
    /// all the same cannot go on.
    Unlisted,
    /// Nothing to do here.
    Bare,
    /// Destructors run, and the unwind goes on.
    Cleanup,
    /// The unwind ends: `catch_unwind`.
    Catch,
    /// The unwind may not pass: `extern "C"`, or a destructor that runs because of another panic.
    Barrier,
}

const OMIT: u8 = 0xff;

/// A function's exception table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lsda<'a> {
    /// From the table's start on; it may be followed by others.
    bytes: &'a [u8],
    /// Where the function begins: call sites count from there.
    function: usize,
}

/// One record of the call site table.
struct Record {
    start: usize,
    len: usize,
    pad: usize,
    action: u64,
}

impl<'a> Lsda<'a> {
    pub(super) fn new(bytes: &'a [u8], function: usize) -> Self {
        Self { bytes, function }
    }

    /// [`site_and_pad`](Self::site_and_pad) without the pad.
    #[cfg(test)]
    pub(super) fn site(&self, ip: usize) -> Option<Site> {
        self.site_and_pad(ip).map(|(site, _)| site)
    }

    /// What is said of the call that contains `ip`, and the offset of its landing pad, 0 if there is
    /// none. `None`: the table cannot be read.
    pub(super) fn site_and_pad(&self, ip: usize) -> Option<(Site, usize)> {
        let offset = ip.checked_sub(self.function)?;
        let (records, actions) = self.records()?;
        for record in records {
            let record = record?;
            if offset < record.start {
                break;
            }
            if offset - record.start < record.len {
                let site = match record {
                    Record { pad: 0, .. } => Site::Bare,
                    Record { action: 0, .. } => Site::Cleanup,
                    Record { action, .. } => action_of(actions, action)?,
                };
                return Some((site, record.pad));
            }
        }
        Some((Site::Unlisted, 0))
    }

    /// Calls `each` with the offset of every landing pad from the function's start.
    pub(super) fn each_pad(&self, mut each: impl FnMut(usize)) {
        let Some((records, _)) = self.records() else { return };
        records.flatten().filter(|r| r.pad != 0).for_each(|r| each(r.pad));
    }

    /// The call site records, and the action table behind them.
    fn records(&self) -> Option<(impl Iterator<Item = Option<Record>> + 'a, &'a [u8])> {
        let mut r = Reader(self.bytes);
        if r.byte()? != OMIT {
            // A base other than the function's start occurs where code is split between sections.
            return None;
        }
        if r.byte()? != OMIT {
            r.uleb()?;
        }
        let encoding = r.byte()?;
        let len = r.uleb()? as usize;
        let (table, actions) = r.0.split_at_checked(len)?;
        let mut r = Reader(table);
        let records = std::iter::from_fn(move || {
            (!r.0.is_empty()).then(|| {
                Some(Record {
                    start: r.offset(encoding)?,
                    len: r.offset(encoding)?,
                    pad: r.offset(encoding)?,
                    action: r.uleb()?,
                })
            })
        });
        // A record that cannot be read is the last one.
        let mut broken = false;
        let records = records.take_while(move |r| !std::mem::replace(&mut broken, r.is_none()));
        Some((records, actions))
    }
}

/// What Rust's personality makes of an action: only the first record counts.
fn action_of(actions: &[u8], action: u64) -> Option<Site> {
    let mut r = Reader(actions.get(action as usize - 1..)?);
    Some(match r.sleb()? {
        0 => Site::Cleanup,
        1.. => Site::Catch,
        _ => Site::Barrier,
    })
}

/// Reads what DWARF encodes, front to back.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    /// Seven bits a byte, lowest first; also tells how many bits there were and the last byte.
    fn leb(&mut self) -> Option<(u64, u32, u8)> {
        let (mut value, mut shift) = (0u64, 0);
        loop {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            shift += 7;
            if byte & 0x80 == 0 {
                return Some((value, shift, byte));
            }
        }
    }

    fn uleb(&mut self) -> Option<u64> {
        self.leb().map(|(value, ..)| value)
    }

    fn sleb(&mut self) -> Option<i64> {
        let (value, bits, last) = self.leb()?;
        let negative = last & 0x40 != 0 && bits < 64;
        Some(if negative { value as i64 | (-1i64 << bits) } else { value as i64 })
    }

    /// An offset in one of the encodings that are counted from nowhere.
    fn offset(&mut self, encoding: u8) -> Option<usize> {
        match encoding {
            0x00 | 0x04 | 0x0c => Some(u64::from_ne_bytes(self.fixed()?) as usize),
            0x01 => Some(self.uleb()? as usize),
            0x02 => Some(u16::from_ne_bytes(self.fixed()?).into()),
            0x03 | 0x0b => Some(u32::from_ne_bytes(self.fixed()?) as usize),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// start 0x10..0x18 no pad; 0x20..0x25 cleanup at 0x80; 0x30..0x38 catch; 0x40..0x48 barrier.
    const TABLE: &[u8] = &[
        0xff, 0xff, 0x01, 17, // no base, no types, uleb, length
        0x10, 8, 0, 0, //
        0x20, 5, 0x80, 0x01, 0, //
        0x30, 8, 0x40, 1, //
        0x40, 8, 0x44, 3, //
        1, 0, 0x7f, 0, // actions: catch; barrier
    ];

    #[test]
    fn every_kind_of_site_is_told_apart() {
        let lsda = Lsda::new(TABLE, 0x1000);
        for (ip, site) in [
            (0x100f, Site::Unlisted),
            (0x1010, Site::Bare),
            (0x1017, Site::Bare),
            (0x1018, Site::Unlisted),
            (0x1024, Site::Cleanup),
            (0x1025, Site::Unlisted),
            (0x1030, Site::Catch),
            (0x1047, Site::Barrier),
            (0x1048, Site::Unlisted),
        ] {
            assert_eq!(lsda.site(ip), Some(site), "{ip:#x}");
        }
        let mut pads = Vec::new();
        lsda.each_pad(|p| pads.push(p));
        assert_eq!(pads, [0x80, 0x40, 0x44]);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        assert_eq!(Lsda::new(&[], 0).site(0), None);
        assert_eq!(Lsda::new(&[0x00; 20], 0).site(0), None, "another base");
        assert_eq!(Lsda::new(&[0xff, 0xff, 0x01, 90, 1, 2], 0).site(0), None, "too short");
        assert_eq!(Lsda::new(&[0xff, 0xff, 0x07, 4, 0, 9, 0, 0], 0).site(1), None, "encoding");
        assert_eq!(Lsda::new(&[0xff, 0xff, 0x01, 3, 0, 9, 0], 0).site(1), None, "half a record");
        assert_eq!(Lsda::new(&[0xff, 0xff, 0x01, 4, 0, 9, 5, 40, 0], 0).site(1), None, "action");
        assert_eq!(Lsda::new(&[0xff, 0xff, 0x01, 0], 8).site(1), None, "before the function");
    }

    #[test]
    fn numbers_have_signs_and_lengths() {
        assert_eq!(Reader(&[0x7f]).sleb(), Some(-1));
        assert_eq!(Reader(&[0x80, 0x7f]).sleb(), Some(-128));
        assert_eq!(Reader(&[0x3f]).sleb(), Some(63));
        assert_eq!(Reader(&[0xe5, 0x8e, 0x26]).uleb(), Some(624_485));
        assert_eq!(Reader(&[0x80]).uleb(), None);
    }
}
