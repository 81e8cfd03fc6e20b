//! Samples of `/proc` as container engines, systemd and plain machines write it.

use super::*;

const V1_CGROUP: &str = "12:memory:/docker/c0ffee\n\
                         4:cpu,cpuacct:/docker/c0ffee\n\
                         3:cpuset:/docker/c0ffee\n\
                         1:name=systemd:/docker/c0ffee\n";

const V1_MOUNTS: &str = "\
22 28 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw
30 25 0:26 /docker/c0ffee /sys/fs/cgroup/memory ro,nosuid master:11 - cgroup cgroup rw,memory
31 25 0:27 /docker/c0ffee /sys/fs/cgroup/cpu,cpuacct ro,nosuid master:12 - cgroup cgroup rw,cpu,cpuacct
32 25 0:28 /docker/c0ffee /sys/fs/cgroup/cpuset ro,nosuid master:13 - cgroup cgroup rw,cpuset
";

const V2_MOUNTS: &str = "\
24 30 0:22 / /proc rw shared:12 - proc proc rw
29 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev shared:4 - cgroup2 cgroup2 rw,nsdelegate
";

fn v1(dir: &str) -> Level {
    let file = |name: &str| PathBuf::from(format!("{dir}/{name}"));
    Level::V1 { quota: file("cpu.cfs_quota_us"), period: file("cpu.cfs_period_us") }
}

fn v2(dir: &str) -> Level {
    Level::V2 { max: PathBuf::from(format!("{dir}/cpu.max")) }
}

fn found(cgroup: &str, mountinfo: &str) -> Vec<Level> {
    levels(cgroup.as_bytes(), mountinfo.as_bytes())
}

#[test]
fn v1_container_without_a_namespace() {
    assert_eq!(found(V1_CGROUP, V1_MOUNTS), [v1("/sys/fs/cgroup/cpu,cpuacct")]);
}

#[test]
fn v1_walks_from_the_leaf_to_the_mount() {
    let cgroup = "4:cpuacct,cpu:/docker/c0ffee/job:1/task\n";
    let expected = [
        v1("/sys/fs/cgroup/cpu,cpuacct/job:1/task"),
        v1("/sys/fs/cgroup/cpu,cpuacct/job:1"),
        v1("/sys/fs/cgroup/cpu,cpuacct"),
    ];
    assert_eq!(found(cgroup, V1_MOUNTS), expected);
}

#[test]
fn v2_walks_from_the_leaf_to_the_root() {
    let cgroup = "0::/user.slice/user-1000.slice\n";
    let expected = [
        v2("/sys/fs/cgroup/user.slice/user-1000.slice"),
        v2("/sys/fs/cgroup/user.slice"),
        v2("/sys/fs/cgroup"),
    ];
    assert_eq!(found(cgroup, V2_MOUNTS), expected);
}

#[test]
fn v2_container_in_a_namespace_has_one_level() {
    assert_eq!(found("0::/\n", V2_MOUNTS), [v2("/sys/fs/cgroup")]);
}

#[test]
fn hybrid_systems_use_the_hierarchy_that_has_the_controller() {
    let mounts = format!(
        "{V1_MOUNTS}41 25 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n"
    );
    let with_v1_cpu = format!("0::/user.slice\n{V1_CGROUP}");
    assert_eq!(found(&with_v1_cpu, &mounts), [v1("/sys/fs/cgroup/cpu,cpuacct")]);
    let without = "5:cpuset:/x\n1:name=systemd:/x\n0::/x\n";
    let unified = [v2("/sys/fs/cgroup/unified/x"), v2("/sys/fs/cgroup/unified")];
    assert_eq!(found(without, &mounts), unified);
}

#[test]
fn a_mount_that_does_not_show_the_group_is_no_help() {
    let other = V2_MOUNTS.replace(" / /sys/fs/cgroup", " /app /sys/fs/cgroup");
    assert_eq!(found("0::/application\n", &other), []);
    assert_eq!(found("0::/\n", &other), []);
    assert_eq!(found("0::/app/web\n", &other), [v2("/sys/fs/cgroup/web"), v2("/sys/fs/cgroup")]);
    assert_eq!(found("0::/../elsewhere\n", V2_MOUNTS), []);
    assert_eq!(found("0::/\n", &V2_MOUNTS.replace(" / /sys/", " /../.. /sys/")), []);
}

#[test]
fn of_several_mounts_the_one_that_shows_most_levels_is_used() {
    let mounts = format!("9 8 0:26 /app /small rw - cgroup2 none rw\n{V2_MOUNTS}");
    assert_eq!(found("0::/app\n", &mounts), [v2("/sys/fs/cgroup/app"), v2("/sys/fs/cgroup")]);
}

#[test]
fn escapes_and_odd_bytes_in_paths() {
    assert_eq!(unescape(br"/a\040b\011c\012d\134e"), b"/a b\tc\nd\\e");
    assert_eq!(unescape(br"\04 \400 \08x \"), br"\04 \400 \08x \");
    let mounts = r"29 23 0:26 / /mnt/c\040g rw - cgroup2 cgroup2 rw";
    assert_eq!(found("0::/a b\n", mounts), [v2("/mnt/c g/a b"), v2("/mnt/c g")]);
    let latin1 = b"29 23 0:26 / /caf\xe9 rw - cgroup2 cgroup2 rw\n";
    assert_eq!(levels(b"0::/\n", latin1).len(), 1);
}

#[test]
fn malformed_text_is_no_limit() {
    for cgroup in ["", "\n", "0", "0:", "0::", "0::relative", "x:cpu", "::/", ":::"] {
        assert_eq!(found(cgroup, V2_MOUNTS), [], "{cgroup:?}");
    }
    for mounts in ["", "\n\n", "29 23", "29 23 0:26 / /x", "29 23 0:26 / /x rw -", "- - - - - -"] {
        assert_eq!(found("0::/\n", mounts), [], "{mounts:?}");
    }
    // The word may be a tag or a source; only the field after the lone dash is the type.
    let tagged = "29 23 0:26 / /x rw cgroup2 - ext4 cgroup2 cgroup2\n";
    assert_eq!(found("0::/\n", tagged), []);
}

#[test]
fn quotas_round_up() {
    assert_eq!(parse_max("max 100000\n"), None);
    assert_eq!(parse_max("200000 100000\n"), Some(2));
    assert_eq!(parse_max("200001 100000\n"), Some(3));
    assert_eq!(parse_max("1000 100000\n"), Some(1));
    for text in ["", "max", "100000", "1 0", "-1 100000", "1 2 3", "a b", "1.5 1"] {
        assert_eq!(parse_max(text), None, "{text:?}");
    }
    assert_eq!(parse_one("-1\n"), None);
    assert_eq!(parse_one("50000\n"), Some(50_000));
    assert_eq!(ceil(u64::MAX, 1), Some(usize::MAX));
    assert_eq!(ceil(5, 0), None);
}

/// A directory that is gone again when the test ends.
struct Tree(PathBuf);

impl Tree {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("gort-{name}-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("a/b")).expect("the temporary directory is writable");
        Self(dir)
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.0.join(file), text).expect("the temporary directory is writable");
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_smallest_quota_of_the_path_rules_and_changes_are_seen() {
    let tree = Tree::new("cgroup2");
    let mounts = format!("29 23 0:26 / {} rw - cgroup2 none rw", tree.0.display());
    let levels = found("0::/a/b\n", &mounts);
    assert_eq!(levels.len(), 3);
    assert_eq!(smallest(&levels), None);
    tree.write("a/cpu.max", "350000 100000\n");
    tree.write("a/b/cpu.max", "max 100000\n");
    assert_eq!(smallest(&levels), Some(4));
    tree.write("a/b/cpu.max", "250000 100000\n");
    assert_eq!(smallest(&levels), Some(3));
    tree.write("a/cpu.max", "50000 100000\n");
    assert_eq!(smallest(&levels), Some(1));
}

#[test]
fn v1_reads_quota_and_period() {
    let tree = Tree::new("cgroup1");
    let mounts = format!("29 23 0:26 / {} rw - cgroup none rw,cpu", tree.0.display());
    let levels = found("3:cpu:/a\n", &mounts);
    tree.write("a/cpu.cfs_quota_us", "-1\n");
    tree.write("a/cpu.cfs_period_us", "100000\n");
    assert_eq!(smallest(&levels), None);
    tree.write("a/cpu.cfs_quota_us", "150000\n");
    assert_eq!(smallest(&levels), Some(2));
    tree.write("cpu.cfs_quota_us", "50000\n");
    tree.write("cpu.cfs_period_us", "50000\n");
    assert_eq!(smallest(&levels), Some(1));
}
