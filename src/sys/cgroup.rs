//! How many CPUs' worth of time the cgroups above this process allow it.
//!
//! A quota may sit on any level between the process's own group and the root of what is mounted;
//! the smallest one rules. Where the files are is found once, from `/proc/self/cgroup` and
//! `/proc/self/mountinfo`; what they say is read again at each call, since an orchestrator changes
//! quotas of running containers.
//!
//! The parsers are functions of bytes: paths in `/proc` are not always UTF-8.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Which of the two interfaces carries the cpu controller. On hybrid systems both are mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// The files of one level of the hierarchy.
#[derive(Debug, PartialEq, Eq)]
enum Level {
    /// `cpu.cfs_quota_us` and `cpu.cfs_period_us`.
    V1 { quota: PathBuf, period: PathBuf },
    /// `cpu.max`.
    V2 { max: PathBuf },
}

/// The quota in CPUs, rounded up; `None` if nothing limits the process.
pub(super) fn cpus() -> Option<usize> {
    static LEVELS: OnceLock<Vec<Level>> = OnceLock::new();
    smallest(LEVELS.get_or_init(find))
}

fn find() -> Vec<Level> {
    let read = |path: &str| std::fs::read(path).unwrap_or_default();
    levels(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"))
}

/// The levels from the process's own group up to the root of the mount; none if either file does
/// not lead to one.
fn levels(cgroup: &[u8], mountinfo: &[u8]) -> Vec<Level> {
    let Some((version, group)) = own_group(cgroup) else { return Vec::new() };
    let Some((mount, below)) = locate(mountinfo, version, group) else { return Vec::new() };
    let leaf = mount.join(&below);
    let inside = leaf.ancestors().take_while(|dir| dir.starts_with(&mount));
    inside
        .map(|dir| match version {
            Version::V1 => Level::V1 {
                quota: dir.join("cpu.cfs_quota_us"),
                period: dir.join("cpu.cfs_period_us"),
            },
            Version::V2 => Level::V2 { max: dir.join("cpu.max") },
        })
        .collect()
}

/// The group that governs this process's CPU time, out of `/proc/self/cgroup`. A v1 hierarchy that
/// has the cpu controller has taken it away from v2.
fn own_group(cgroup: &[u8]) -> Option<(Version, &[u8])> {
    let mut unified = None;
    for line in cgroup.split(|&b| b == b'\n') {
        let mut parts = line.splitn(3, |&b| b == b':');
        let (Some(id), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        if listed(controllers, b"cpu") {
            return Some((Version::V1, path));
        }
        if id == b"0" && controllers.is_empty() {
            unified = Some((Version::V2, path));
        }
    }
    unified
}

/// Where `group` appears in the file system: the mount point, and the path below it.
///
/// A mount may show a part of the hierarchy only (its root). Of several that show the group, the
/// one with the shortest root shows most of the levels above it.
fn locate(mountinfo: &[u8], version: Version, group: &[u8]) -> Option<(PathBuf, PathBuf)> {
    let mounts = mountinfo.split(|&b| b == b'\n').filter_map(|line| mount(line, version));
    let showing = mounts.filter_map(|m| {
        let below = relative(group, &m.root)?;
        Some((m.root.len(), path(&m.point), path(below)))
    });
    showing.min_by_key(|(root, ..)| *root).map(|(_, point, below)| (point, below))
}

fn path(bytes: &[u8]) -> PathBuf {
    Path::new(OsStr::from_bytes(bytes)).to_path_buf()
}

/// A cgroup mount: which directory of the hierarchy it shows, and where.
#[derive(Debug)]
struct Mount {
    root: Vec<u8>,
    point: Vec<u8>,
}

/// One line of `/proc/self/mountinfo`, if it mounts the cpu controller of `version`:
/// `36 35 98:0 /root /point options [tags…] - type source super-options`.
fn mount(line: &[u8], version: Version) -> Option<Mount> {
    let mut fields = line.split(|&b| b == b' ');
    let root = unescape(fields.nth(3)?);
    let point = unescape(fields.next()?);
    let mut after = fields.skip_while(|f| *f != b"-").skip(1);
    let (kind, super_options) = (after.next()?, after.nth(1));
    let fits = match version {
        Version::V1 => kind == b"cgroup" && listed(super_options?, b"cpu"),
        Version::V2 => kind == b"cgroup2",
    };
    fits.then_some(Mount { root, point })
}

/// Whether `name` is an element of the comma-separated `list`.
fn listed(list: &[u8], name: &[u8]) -> bool {
    list.split(|&b| b == b',').any(|element| element == name)
}

/// Undoes the kernel's escapes: `\040` for a space, and so on in octal.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = match tail {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] if first == b'\\' => {
                Some((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'))
            }
            _ => None,
        };
        out.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { &tail[3..] } else { tail };
    }
    out
}

/// The path of `group` below `root`, both absolute within the hierarchy. A group outside the
/// process's cgroup namespace (`/../other`) has no place that we could name.
fn relative<'a>(group: &'a [u8], root: &[u8]) -> Option<&'a [u8]> {
    if !group.starts_with(b"/") || group.split(|&b| b == b'/').any(|part| part == b"..") {
        return None;
    }
    match group.strip_prefix(root.strip_suffix(b"/").unwrap_or(root))? {
        [] => Some(&[]),
        [b'/', below @ ..] => Some(below),
        _ => None,
    }
}

/// The smallest quota of all levels. A level that cannot be read limits nothing: the root of v2
/// has no `cpu.max`, and a group may vanish.
fn smallest(levels: &[Level]) -> Option<usize> {
    let mut buf = [0; 64];
    levels.iter().filter_map(|level| quota(level, &mut buf)).min()
}

fn quota(level: &Level, buf: &mut [u8; 64]) -> Option<usize> {
    match level {
        Level::V1 { quota, period } => {
            let quota = parse_one(read(quota, buf)?)?;
            ceil(quota, parse_one(read(period, buf)?)?)
        }
        Level::V2 { max } => parse_max(read(max, buf)?),
    }
}

fn read<'a>(path: &Path, buf: &'a mut [u8; 64]) -> Option<&'a str> {
    let n = File::open(path).ok()?.read(buf).ok()?;
    std::str::from_utf8(&buf[..n]).ok()
}

/// v1's files hold one number; a quota of -1 means no limit and is no `u64`.
fn parse_one(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// v2's `cpu.max`: the quota or `max`, then the period.
fn parse_max(text: &str) -> Option<usize> {
    let (quota, period) = text.trim().split_once(' ')?;
    ceil(quota.parse().ok()?, period.parse().ok()?)
}

/// `quota / period` rounded up. A period of zero is not a quota.
fn ceil(quota: u64, period: u64) -> Option<usize> {
    (period > 0).then(|| usize::try_from(quota.div_ceil(period)).unwrap_or(usize::MAX))
}

#[cfg(test)]
#[path = "cgroup_tests.rs"]
mod tests;
