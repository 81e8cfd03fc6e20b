#!/bin/sh
# Instructions of gort's hot paths, counted by valgrind's callgrind: unlike times, they do not depend
# on what else the machine is doing.
#
#   benches/instructions.sh [-f] [PATH...]
#
# PATH is yield, pingpong, join, join-wg, join-chan or batches; without any: all of them. Each runs
# twice, with a and with b operations, on one P; (count(b) - count(a)) / (b - a) leaves out what start
# and end cost. -f also lists the functions the instructions were spent in.
set -eu

cd "$(dirname "$0")/.."
few=20000
many=120000
functions=no
if [ "${1:-}" = -f ]; then
    functions=yes
    shift
fi
for tool in valgrind callgrind_annotate cargo; do
    command -v "$tool" >/dev/null || { echo "instructions.sh: no $tool here" >&2; exit 2; }
done
for path in "$@"; do
    case $path in
    yield | pingpong | join | join-wg | join-chan | batches) ;;
    *) echo "instructions.sh: no such path: $path" >&2; exit 2 ;;
    esac
done
[ $# -gt 0 ] || set -- yield pingpong join join-wg join-chan batches

echo "building" >&2
program=$(cargo bench --bench switch_cost --no-run --message-format=json 2>/dev/null |
    sed -n 's/.*"name":"switch_cost".*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
[ -x "$program" ] || { echo "instructions.sh: cargo bench --no-run gave no program" >&2; exit 1; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# count PATH N: instructions of the whole run.
count() {
    valgrind --tool=callgrind --callgrind-out-file="$scratch/$1.$2" --log-file="$scratch/log" \
        "$program" --callgrind "$1" "$2" || { grep -v '^==' "$scratch/log" >&2; return 1; }
    awk '/^(summary|totals):/ { print $2; exit }' "$scratch/$1.$2"
}

printf '%-10s %14s  (one P; %s and %s operations)\n' path instructions "$few" "$many"
for path in "$@"; do
    echo "counting $path" >&2
    low=$(count "$path" "$few")
    high=$(count "$path" "$many")
    awk -v p="$path" -v d="$((high - low))" -v n="$((many - few))" \
        'BEGIN { printf "%-10s %14.1f\n", p, d / n }'
    if [ "$functions" = yes ]; then
        callgrind_annotate --auto=no --threshold=97 "$scratch/$path.$many" |
            awk '/file:function/ { on = 1 } on' | cut -c1-150
    fi
done
