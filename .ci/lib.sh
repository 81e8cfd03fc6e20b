# Shared by the scripts of this directory: sections with timings, time limits, the two backends.
# shellcheck shell=bash

export CARGO_TERM_COLOR=never CARGO_TERM_PROGRESS_WHEN=never NEXTEST_HIDE_PROGRESS_BAR=1
export RUST_BACKTRACE=1

log=target/ci.log

have() {
    command -v "$1" >/dev/null 2>&1
}

# Runs a command and ends it, with its children, after so many seconds: a scheduler bug hangs.
limit() {
    local seconds=$1
    shift
    timeout --kill-after=10 "$seconds" "$@" || {
        local code=$?
        if [ "$code" -eq 124 ] || [ "$code" -eq 137 ]; then
            echo "ended after ${seconds} s: $*" >&2
        fi
        return "$code"
    }
}

# Runs a command with the named switch backend. The native one has a target directory of its own,
# since other RUSTFLAGS would rebuild everything at each change of sides.
on() {
    local backend=$1
    shift
    case $backend in
        native)
            RUSTFLAGS="${RUSTFLAGS:-} --cfg gort_native" CARGO_TARGET_DIR=target/native "$@"
            ;;
        portable) "$@" ;;
        *) echo "no such backend: $backend" >&2 && return 2 ;;
    esac
}

# The tests on one backend: each in its own process if nextest is here, and doctests where the
# caller did not narrow the choice.
suite() {
    local backend=$1
    shift
    if have cargo-nextest; then
        on "$backend" limit 1800 cargo nextest run --profile ci "$@"
        [ $# -gt 0 ] || on "$backend" limit 900 cargo test --doc
    else
        on "$backend" limit 1800 cargo test "$@"
    fi
}

# A check that lives in a script beside this file.
script() {
    if [ -x ".ci/$1" ]; then
        ".ci/$1"
    else
        echo "skipped: there is no .ci/$1"
    fi
}

# Tests passed so far, by the summary lines of cargo test and nextest.
passed() {
    sed -nE -e 's/^test result: ok\. ([0-9]+) passed.*/\1/p' \
        -e 's/^ *Summary .* ([0-9]+) passed.*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }'
}

# Runs the sections named, or all those the caller lists in `sections`, and says at the end what was run.
main() {
    local wanted=("$@") section start code
    # shellcheck disable=SC2154 # the caller's lists
    [ $# -gt 0 ] || wanted=("${sections[@]}")
    mkdir -p target
    : >"$log"
    SECONDS=0
    for section in "${wanted[@]}"; do
        case " ${sections[*]} ${by_name[*]} " in
            *" $section "*) ;;
            *) echo "no such section: $section (there are: ${sections[*]} ${by_name[*]})" >&2 && exit 2 ;;
        esac
    done
    for section in "${wanted[@]}"; do
        echo "==== $section"
        start=$SECONDS
        # In a subshell of its own, so that `set -e` holds inside: bash ignores it in a function
        # whose result is tested.
        set +e
        (set -e; "section_$section") 2>&1 | tee -a "$log"
        code=${PIPESTATUS[0]}
        set -e
        echo "---- $section: $((SECONDS - start)) s"
        if [ "$code" -ne 0 ]; then
            echo "ci: FAILED in section $section (exit $code), $(passed) tests passed before"
            exit 1
        fi
    done
    echo "ci: ok, $(passed) tests passed, sections: ${wanted[*]}, $((SECONDS / 60)) min $((SECONDS % 60)) s"
}
