//! The few DWARF expressions that unwind tables contain in practice: a frame found through a slot
//! of its own (gcc's realigned stacks), and the stubs of the dynamic linker.

use super::frames::{Registers, word};

const DEREF: u8 = 0x06;
const CONST1U: u8 = 0x08;
const CONST1S: u8 = 0x09;
const AND: u8 = 0x1a;
const PLUS: u8 = 0x22;
const PLUS_UCONST: u8 = 0x23;
const SHL: u8 = 0x24;
const GE: u8 = 0x2a;
const LIT0: u8 = 0x30;
const LIT31: u8 = 0x4f;
const BREG0: u8 = 0x70;
const BREG16: u8 = 0x80;

/// Deepest stack of values; what compilers write needs two or three.
const DEPTH: usize = 8;

struct Machine {
    values: [usize; DEPTH],
    len: usize,
}

impl Machine {
    fn push(&mut self, value: usize) -> Option<()> {
        *self.values.get_mut(self.len)? = value;
        self.len += 1;
        Some(())
    }

    fn pop(&mut self) -> Option<usize> {
        self.len = self.len.checked_sub(1)?;
        Some(self.values[self.len])
    }
}

/// The value of `bytes` in a frame; `None` for an operation beyond these.
pub(super) fn evaluate(bytes: &[u8], frame: &Registers) -> Option<usize> {
    let mut m = Machine { values: [0; DEPTH], len: 0 };
    let mut rest = bytes.iter().copied();
    while let Some(op) = rest.next() {
        let value = match op {
            DEREF => {
                let at = m.pop()?;
                if !at.is_multiple_of(size_of::<usize>()) || at < 4096 {
                    return None;
                }
                word(at)
            }
            CONST1U => rest.next()?.into(),
            CONST1S => rest.next()?.cast_signed() as usize,
            AND => m.pop()? & m.pop()?,
            PLUS => m.pop()?.wrapping_add(m.pop()?),
            PLUS_UCONST => m.pop()?.wrapping_add(leb(&mut rest, false)? as usize),
            SHL => {
                let by = m.pop()?;
                m.pop()?.checked_shl(by as u32)?
            }
            GE => {
                let (right, left) = (m.pop()? as isize, m.pop()? as isize);
                usize::from(left >= right)
            }
            LIT0..=LIT31 => (op - LIT0).into(),
            BREG0..=BREG16 => {
                frame[usize::from(op - BREG0)].wrapping_add(leb(&mut rest, true)? as usize)
            }
            _ => return None,
        };
        m.push(value)?;
    }
    m.pop()
}

fn leb(bytes: &mut impl Iterator<Item = u8>, signed: bool) -> Option<i64> {
    let (mut value, mut shift) = (0i64, 0);
    loop {
        let byte = bytes.next()?;
        value |= i64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        shift += 7;
        if byte & 0x80 == 0 {
            let negative = signed && byte & 0x40 != 0 && shift < 64;
            return Some(if negative { value | (-1 << shift) } else { value });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realigned_frame_is_found_through_its_slot() {
        let slot = [0usize, 0x7000];
        let mut frame = Registers::default();
        frame[6] = slot.as_ptr().expose_provenance() + 16;
        assert_eq!(evaluate(&[BREG0 + 6, 0x78, DEREF], &frame), Some(0x7000));
    }

    #[test]
    fn a_stub_of_the_linker_depends_on_where_it_stands() {
        // breg7+8 breg16+0 lit15 and lit11 ge lit3 shl plus
        let stub = [0x77, 8, 0x80, 0, 0x3f, AND, 0x3b, GE, 0x33, SHL, PLUS];
        let mut frame = Registers::default();
        frame[7] = 0x1000;
        frame[16] = 0x50a;
        assert_eq!(evaluate(&stub, &frame), Some(0x1008));
        frame[16] = 0x50b;
        assert_eq!(evaluate(&stub, &frame), Some(0x1010));
    }

    #[test]
    fn anything_else_is_refused() {
        let frame = Registers::default();
        assert_eq!(evaluate(&[], &frame), None);
        assert_eq!(evaluate(&[0x96], &frame), None);
        assert_eq!(evaluate(&[PLUS], &frame), None);
        assert_eq!(evaluate(&[BREG0, 0, DEREF], &frame), None);
        assert_eq!(evaluate(&[LIT0; 9], &frame), None);
        assert_eq!(evaluate(&[CONST1S, 0xff], &frame), Some(usize::MAX));
        assert_eq!(evaluate(&[LIT0, PLUS_UCONST, 0x80, 0x01], &frame), Some(128));
    }
}
