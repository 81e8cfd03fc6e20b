//! How many CPUs there are for us, and how many processors (P) that makes: Go's rule.
//!
//! The rule is `min(CPUs in the affinity mask, max(2, quota rounded up))`. A quota of less than two
//! CPUs still gets two processors: with one, a goroutine that uses up the quota would stop all
//! others until the next period.

use super::cgroup;
use std::sync::OnceLock;

/// A cgroup quota never takes the number of processors below this.
const QUOTA_FLOOR: usize = 2;

/// CPUs this process could use when it started; later changes of the affinity are not seen (Go's
/// `NumCPU`). Ask early.
pub(crate) fn num_cpu() -> usize {
    static AT_START: OnceLock<usize> = OnceLock::new();
    *AT_START.get_or_init(affinity)
}

/// The number of processors that fits the machine now. It reads the affinity and the cgroup files
/// again at each call, about ten system calls: at most once a second, please.
pub(crate) fn default_procs() -> usize {
    under_quota(affinity(), cgroup::cpus())
}

/// What the environment variable `GOMAXPROCS` asks for. As in Go, what is not a positive 32-bit
/// number is ignored without a word.
pub(crate) fn procs_from_env() -> Option<usize> {
    positive(std::env::var("GOMAXPROCS").ok()?.as_str())
}

fn under_quota(cpus: usize, quota: Option<usize>) -> usize {
    quota.map_or(cpus, |quota| cpus.min(quota.max(QUOTA_FLOOR)))
}

fn positive(text: &str) -> Option<usize> {
    let n: i32 = text.parse().ok()?;
    usize::try_from(n).ok().filter(|&n| n > 0)
}

/// CPUs in the calling thread's affinity mask; 1 if the kernel does not tell.
fn affinity() -> usize {
    /// 2^20 CPUs: far beyond any kernel's `NR_CPUS`, so the loop ends on other errors.
    const LARGEST: usize = (1 << 20) / u64::BITS as usize;
    let mut words = 1024 / u64::BITS as usize;
    while words <= LARGEST {
        let mut mask = vec![0u64; words];
        // SAFETY: the kernel writes at most the size it is given, into `mask`, which is aligned
        // for the C type's words and lives across the call. 0 names the calling thread.
        let rc = unsafe {
            libc::sched_getaffinity(0, size_of_val(mask.as_slice()), mask.as_mut_ptr().cast())
        };
        if rc == 0 {
            return mask.iter().map(|w| w.count_ones() as usize).sum::<usize>().max(1);
        }
        // EINVAL says that the kernel's own mask is longer.
        if std::io::Error::last_os_error().raw_os_error() != Some(libc::EINVAL) {
            break;
        }
        words *= 2;
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quota_caps_but_never_below_two() {
        assert_eq!(under_quota(8, None), 8);
        assert_eq!(under_quota(8, Some(3)), 3);
        assert_eq!(under_quota(8, Some(1)), 2);
        assert_eq!(under_quota(8, Some(0)), 2);
        assert_eq!(under_quota(8, Some(100)), 8);
        assert_eq!(under_quota(1, Some(1)), 1);
    }

    #[test]
    fn the_environment_wants_a_positive_number() {
        assert_eq!(positive("3"), Some(3));
        assert_eq!(positive("+4"), Some(4));
        assert_eq!(positive("2147483647"), Some(2_147_483_647));
        for text in ["", "0", "-1", "3 ", " 3", "3x", "0x3", "2147483648", "1e3", "three"] {
            assert_eq!(positive(text), None, "{text:?}");
        }
    }

    #[test]
    fn agrees_with_the_standard_library() {
        // std's answer is the affinity count under the quota rounded down, so never larger.
        let std = std::thread::available_parallelism().map_or(1, usize::from);
        assert!(num_cpu() >= std);
        assert!((1..=num_cpu()).contains(&default_procs()));
    }

    #[test]
    fn follows_the_affinity_of_the_thread() {
        let narrow = || {
            let cpu = first_cpu();
            let mut one = vec![0u64; cpu / 64 + 1];
            one[cpu / 64] = 1 << (cpu % 64);
            // SAFETY: the mask is read only, and of the size given.
            let rc = unsafe {
                libc::sched_setaffinity(0, size_of_val(one.as_slice()), one.as_ptr().cast())
            };
            assert_eq!(rc, 0, "a thread may give up CPUs");
            (affinity(), default_procs())
        };
        // On a thread of its own: the mask ends with it.
        let seen = std::thread::spawn(narrow).join().expect("no assertion failed");
        assert_eq!(seen, (1, 1));
    }

    /// A CPU the calling thread may use.
    fn first_cpu() -> usize {
        // SAFETY: sched_getcpu has no preconditions.
        usize::try_from(unsafe { libc::sched_getcpu() }).expect("the kernel knows where we run")
    }
}
