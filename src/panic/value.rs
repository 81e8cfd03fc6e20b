//! `Panic`, a recovered panic, and the words for the values people panic with.

use super::known::{Known, Payload};
use std::any::Any;
use std::cell::OnceCell;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A panic that [`Deferred::recover`](crate::Deferred::recover) has stopped.
///
/// ```
/// let text = gort::func(|f| {
///     f.defer(|d| {
///         if let Some(p) = d.recover() {
///             *d.result() = p.message().to_owned();
///         }
///     });
///     panic!("no {}", "luck")
/// });
/// assert_eq!(text, "no luck");
/// ```
pub struct Panic {
    payload: Payload,
    known: Box<Known>,
    /// The payload's words, once asked for.
    words: OnceCell<String>,
}

impl Panic {
    pub(super) fn new(payload: Payload, known: Box<Known>) -> Self {
        Self { payload, known, words: OnceCell::new() }
    }

    /// What a report would say of the value: the text of a string, a number's digits, an error's
    /// `Display`.
    #[must_use]
    pub fn message(&self) -> &str {
        match text(&*self.payload) {
            Some(text) => text,
            None => self.words.get_or_init(|| words(&*self.payload)),
        }
    }

    /// The value the program panicked with.
    #[must_use]
    pub fn payload(&self) -> &(dyn Any + Send) {
        &*self.payload
    }

    /// The value the program panicked with.
    #[must_use]
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        // In case it is raised again, with `resume_unwind`.
        self.known.leave();
        self.payload
    }

    /// The value, if it is a `T`.
    #[must_use]
    pub fn downcast_ref<T: Any>(&self) -> Option<&T> {
        self.payload.downcast_ref()
    }

    /// Where the program panicked, as `file:line:column`; `None` for a panic without a hook's
    /// knowledge (`std::panic::resume_unwind`).
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        self.known.location.as_deref()
    }

    /// Panics with the same value again. If nobody recovers it, the report says once what happened,
    /// with `[recovered, repanicked]` (Go).
    pub fn resume(self) -> ! {
        self.known.leave();
        std::panic::resume_unwind(self.payload)
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panic")
            .field("message", &self.message())
            .field("location", &self.location())
            .finish()
    }
}

/// The payload's own text, if it is a string.
pub(super) fn text(payload: &(dyn Any + Send)) -> Option<&str> {
    if let Some(s) = payload.downcast_ref::<&'static str>() {
        Some(s)
    } else {
        payload.downcast_ref::<String>().map(String::as_str)
    }
}

/// Finds the one type of the list that the payload has, and says how to print it.
macro_rules! first_of {
    ($payload:expr; $($types:ty),* => $words:expr) => {
        $(if let Some(value) = $payload.downcast_ref::<$types>() {
            return $words(value);
        })*
    };
}

/// Go's words for a panic's value: texts as they are, numbers, `Display` of what is known to be an
/// error; of anything else only where it lies. May run code of the user's (`Display`), and panic
/// with it.
pub(super) fn words(payload: &(dyn Any + Send)) -> String {
    first_of!(payload; Box<dyn Error + Send + Sync>, Box<dyn Error + Send>,
        Arc<dyn Error + Send + Sync>, std::io::Error, Panic => display);
    plain_words(payload)
}

/// As [`words`], but without code of the user's: errors of unknown types are not asked.
pub(super) fn plain_words(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = text(payload) {
        return text.to_owned();
    }
    first_of!(payload; f64 => |v: &f64| float(*v));
    first_of!(payload; f32 => |v: &f32| float(*v));
    first_of!(payload; i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize, bool, char,
        Box<str>, Arc<str>, std::borrow::Cow<'static, str>, fmt::Error, std::num::ParseIntError,
        std::num::ParseFloatError, std::num::TryFromIntError, std::str::Utf8Error,
        std::string::FromUtf8Error, std::str::ParseBoolError, std::env::VarError,
        std::time::SystemTimeError, std::cell::BorrowError, std::cell::BorrowMutError,
        std::net::AddrParseError, super::Goexit => display);
    format!("(dyn Any) {:#x}", super::known::address(payload))
}

/// In the place of a value's words, when those panic.
pub(super) const SILENT: &str = "(a value whose words panic)";

/// As [`words`], where a panic in them must not matter.
pub(super) fn words_anyway(payload: &(dyn Any + Send)) -> String {
    // The payload is only read.
    catch_unwind(AssertUnwindSafe(|| words(payload))).unwrap_or_else(|_| SILENT.to_owned())
}

fn display(value: &impl fmt::Display) -> String {
    value.to_string()
}

/// A float in the shortest form that reads back the same, with an exponent where C's `%g` has one.
fn float<T: Copy + Into<f64> + fmt::Display + fmt::LowerExp>(v: T) -> String {
    let size = v.into().abs();
    if size.is_infinite() {
        return if v.into() > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    if size == 0.0 || size.is_nan() || (1e-4..1e21).contains(&size) {
        return v.to_string();
    }
    let text = format!("{v:e}");
    let (digits, exponent) = text.split_once('e').expect("LowerExp writes an exponent");
    let exponent: i32 = exponent.parse().expect("LowerExp writes a number");
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_in_go() {
        assert_eq!(float(-93.7), "-93.7");
        assert_eq!(float(1e21), "1e+21");
        assert_eq!(float(2.5e-7f32), "2.5e-07");
        assert_eq!(float(0.0), "0");
        assert_eq!(float(f64::NEG_INFINITY), "-Inf");
        assert_eq!(words(&7u16), "7");
        assert_eq!(words(&true), "true");
    }

    #[test]
    fn errors_say_what_they_display() {
        let boxed: Box<dyn Error + Send + Sync> = "out of luck".into();
        assert_eq!(words(&boxed), "out of luck");
        assert_eq!(words(&"x".parse::<i32>().unwrap_err()), "invalid digit found in string");
        struct Opaque;
        assert!(words(&Opaque).starts_with("(dyn Any) 0x"));
    }
}
