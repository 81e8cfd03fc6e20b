//! Why a goroutine is parked; the texts are Go's and appear in tracebacks.

/// The reason of the current park.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum WaitReason {
    None,
    ChanReceive,
    ChanSend,
    ChanReceiveNil,
    ChanSendNil,
    Select,
    SelectNoCases,
    Sleep,
    WaitGroup,
    MutexLock,
    RwLockRead,
    RwLockWrite,
    CondWait,
    SemAcquire,
    Join,
    PanicWait,
    Io,
}

impl WaitReason {
    /// Each of them, at its own number.
    pub(super) const ALL: [Self; 17] = [
        Self::None,
        Self::ChanReceive,
        Self::ChanSend,
        Self::ChanReceiveNil,
        Self::ChanSendNil,
        Self::Select,
        Self::SelectNoCases,
        Self::Sleep,
        Self::WaitGroup,
        Self::MutexLock,
        Self::RwLockRead,
        Self::RwLockWrite,
        Self::CondWait,
        Self::SemAcquire,
        Self::Join,
        Self::PanicWait,
        Self::Io,
    ];

    /// The words between the brackets of a goroutine header.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::None => "waiting",
            Self::ChanReceive => "chan receive",
            Self::ChanSend => "chan send",
            Self::ChanReceiveNil => "chan receive (nil chan)",
            Self::ChanSendNil => "chan send (nil chan)",
            Self::Select => "select",
            Self::SelectNoCases => "select (no cases)",
            Self::Sleep => "sleep",
            Self::MutexLock => "sync.Mutex.Lock",
            Self::RwLockRead => "sync.RWMutex.RLock",
            Self::RwLockWrite => "sync.RWMutex.Lock",
            Self::CondWait => "sync.Cond.Wait",
            Self::SemAcquire => "semacquire",
            Self::WaitGroup => "sync.WaitGroup.Wait",
            Self::Join => "join",
            Self::PanicWait => "panicwait",
            Self::Io => "IO wait",
        }
    }
}
