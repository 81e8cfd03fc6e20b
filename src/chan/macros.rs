//! `select!`.
//!
//! The macro eats one arm at a time. Each step makes names of its own (`chan`, `arm`, `out`: hygiene
//! keeps those of different steps apart) and hands them on with what it has read; the last step
//! writes everything in order. The bodies stand outside the block that holds the arms, so a body
//! may assign to the channels, and `break`, `return` and `?` mean what they mean outside.

/// Waits on several channel operations and goes on with one of them (Go's `select`).
///
/// ```text
/// select! {
///     recv(c) -> v => body,           // v: what c.recv() returns; `-> v` may be left out
///     send(d, value) => body,         // or `send(tx, value) -> result => body`
///     default => body,                // if nothing is ready; or
///     default(timeout) => body,       // if nothing is ready in time
/// }
/// ```
///
/// Any number of arms and at most one default, in any order; a comma after a block may be left out.
/// [`Chan`](crate::Chan), [`Sender`](crate::Sender) and [`Receiver`](crate::Receiver) mix, by value
/// or by reference. Channels and values are evaluated once, in the order of the source. Among the
/// arms that are ready at one instant, one is chosen at random, all with the same chance. A nil
/// channel is never ready; a closed one always is. `select! {}` blocks for ever.
///
/// The value of the macro is the value of the chosen body. A value that is not sent is dropped before
/// the body runs.
///
/// # Panics
/// With `send on closed channel`, if a send arm on a closed `Chan` is chosen.
///
/// ```
/// use gort::{chan, select};
/// use std::time::Duration;
///
/// gort::run(|| {
///     let (numbers, words) = (chan(1), chan(1));
///     words.send("word");
///     for _ in 0..2 {
///         select! {
///             recv(words) -> w => assert_eq!(w, Some("word")),
///             send(numbers, 7) => {}
///         }
///     }
///     let sum: i32 = select! {
///         recv(numbers) -> n => n.unwrap() + 1,
///         default(Duration::from_secs(10)) => 0,
///     };
///     assert_eq!(sum, 8);
/// });
/// ```
#[macro_export]
macro_rules! select {
    () => {
        $crate::__select::never()
    };
    ($($arms:tt)+) => {
        $crate::__select_parse!([] [] $($arms)+)
    };
}

/// `[arms read] [default read] the rest`.
#[doc(hidden)]
#[macro_export]
macro_rules! __select_parse {
    ($arms:tt $default:tt) => {
        $crate::__select_write!($arms $default)
    };

    ([$($arms:tt)*] $d:tt recv($c:expr $(,)?) $(-> $p:pat)? => $b:block, $($rest:tt)*) => {
        $crate::__select_parse!([$($arms)* (chan arm out recv [$c] [$($p)?] [$b])] $d $($rest)*)
    };
    ([$($arms:tt)*] $d:tt recv($c:expr $(,)?) $(-> $p:pat)? => $b:block $($rest:tt)*) => {
        $crate::__select_parse!([$($arms)* (chan arm out recv [$c] [$($p)?] [$b])] $d $($rest)*)
    };
    ([$($arms:tt)*] $d:tt recv($c:expr $(,)?) $(-> $p:pat)? => $b:expr, $($rest:tt)*) => {
        $crate::__select_parse!([$($arms)* (chan arm out recv [$c] [$($p)?] [$b])] $d $($rest)*)
    };
    ([$($arms:tt)*] $d:tt recv($c:expr $(,)?) $(-> $p:pat)? => $b:expr) => {
        $crate::__select_parse!([$($arms)* (chan arm out recv [$c] [$($p)?] [$b])] $d)
    };

    ([$($arms:tt)*] $d:tt send($c:expr, $v:expr $(,)?) $(-> $p:pat)? => $b:block, $($rest:tt)*) => {
        $crate::__select_parse!([$($arms)* (chan arm out send [$c, $v] [$($p)?] [$b])] $d $($rest)*)
    };
    ([$($arms:tt)*] $d:tt send($c:expr, $v:expr $(,)?) $(-> $p:pat)? => $b:block $($rest:tt)*) => {
        $crate::__select_parse!([$($arms)* (chan arm out send [$c, $v] [$($p)?] [$b])] $d $($rest)*)
    };
    ([$($arms:tt)*] $d:tt send($c:expr, $v:expr $(,)?) $(-> $p:pat)? => $b:expr, $($rest:tt)*) => {
        $crate::__select_parse!([$($arms)* (chan arm out send [$c, $v] [$($p)?] [$b])] $d $($rest)*)
    };
    ([$($arms:tt)*] $d:tt send($c:expr, $v:expr $(,)?) $(-> $p:pat)? => $b:expr) => {
        $crate::__select_parse!([$($arms)* (chan arm out send [$c, $v] [$($p)?] [$b])] $d)
    };

    ($arms:tt [] default $(($t:expr))? => $b:block, $($rest:tt)*) => {
        $crate::__select_parse!($arms [[$($t)?] [$b]] $($rest)*)
    };
    ($arms:tt [] default $(($t:expr))? => $b:block $($rest:tt)*) => {
        $crate::__select_parse!($arms [[$($t)?] [$b]] $($rest)*)
    };
    ($arms:tt [] default $(($t:expr))? => $b:expr, $($rest:tt)*) => {
        $crate::__select_parse!($arms [[$($t)?] [$b]] $($rest)*)
    };
    ($arms:tt [] default $(($t:expr))? => $b:expr) => {
        $crate::__select_parse!($arms [[$($t)?] [$b]])
    };

    ($arms:tt [$($d:tt)+] default $($rest:tt)*) => {
        ::core::compile_error!("select!: there is more than one `default`")
    };
    ($arms:tt $d:tt recv($c:expr, $($more:tt)+) $($rest:tt)*) => {
        ::core::compile_error!("select!: `recv` takes one channel: `recv(channel) -> v => body`")
    };
    ($arms:tt $d:tt send($c:expr $(,)?) $($rest:tt)*) => {
        ::core::compile_error!(
            "select!: `send` takes a channel and a value: `send(channel, value) => body`"
        )
    };
    ($arms:tt $d:tt recv $args:tt => $b:expr; $($rest:tt)*) => {
        ::core::compile_error!("select!: arms are separated by commas")
    };
    ($arms:tt $d:tt $($rest:tt)+) => {
        ::core::compile_error!(::core::concat!(
            "select!: expected `recv(channel) -> v => body`, `send(channel, value) => body`, ",
            "`default => body` or `default(timeout) => body`, with a comma after a body that is no ",
            "block, at: ",
            ::core::stringify!($($rest)+),
        ))
    };
}

/// Writes the select out.
#[doc(hidden)]
#[macro_export]
macro_rules! __select_write {
    ([] [[$($t:expr)?] [$b:expr]]) => {{
        $($crate::__select::run([], $crate::__select::Wait::at_most($t));)?
        $b
    }};
    ([$(($chan:ident $arm:ident $out:ident $kind:ident
        [$c:expr $(, $v:expr)?] [$($p:pat)?] [$b:expr]))+] $default:tt) => {{
        let ($($out,)+) = {
            $(
                let $chan = &$c;
                let mut $arm = $crate::__select::$kind($chan $(, $v)?);
            )+
            let wait = $crate::__select_wait!($default);
            $crate::__select::run([$($arm.offer()),+], wait);
            ($($arm.finish(),)+)
        };
        match () {
            $(() if $out.is_some() => {
                let ($($p,)? ..) = ($crate::__select::take($out),);
                $b
            })+
            () => $crate::__select_default!($default),
        }
    }};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __select_wait {
    ([]) => {
        $crate::__select::Wait::FOREVER
    };
    ([[] $b:tt]) => {
        $crate::__select::Wait::NOW
    };
    ([[$t:expr] $b:tt]) => {
        $crate::__select::Wait::at_most($t)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __select_default {
    ([]) => {
        $crate::__select::none()
    };
    ([$t:tt [$b:expr]]) => {
        $b
    };
}
