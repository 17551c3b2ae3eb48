#!/bin/bash
# Runs memfuzz.c with the same seeds on this Linux and on NanoVM and shows where they first differ.
# Usage: tools/compare/memfuzz.sh ["SEEDS"] [STEPS].
# The behaviour wanted is that of Linux 6.1. Later kernels differ by design: they merge an untouched area with a touched neighbour and take
# Account from untouched memory that mprotect makes read-only (6.5, 6.16), and accept MADV_REMOVE on shared memory that is only MAYWRITE (6.7).
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
seeds=${1:-1 2 3 4}
steps=${2:-300}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
gcc -O1 -w -static -o "$work/memfuzz" tools/compare/memfuzz.c || exit 2
for seed in $seeds; do "$work/memfuzz" "$seed" "$steps" > "$work/linux.$seed"; done
./run-qemu.sh --direct --timeout 300 --add "$work/memfuzz" --run "for s in $seeds; do echo == \$s; /root/memfuzz \$s $steps; done" </dev/null 2>/dev/null \
    | tr -d '\r' | awk -v d="$work" '/^== /{f=d "/nano." $2; next} f{print > f}'
failed=0
for seed in $seeds; do
    if cmp -s "$work/linux.$seed" "$work/nano.$seed"; then
        echo "ok seed $seed"
    else
        echo "not ok seed $seed"
        diff "$work/linux.$seed" "$work/nano.$seed" | head -4
        failed=1
    fi
done
exit $failed
