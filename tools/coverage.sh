#!/usr/bin/env bash
# Which methods of Kernel/Memory do the suites that run in the guest execute? Prints a table, and the methods that they do not.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root
# shellcheck source=tools/run/build.sh
source "$root/tools/run/build.sh"

usage() {
  cat <<'END'
usage: tools/coverage.sh [FOLDER [SUITE...]]
Runs all in-guest suites, those of the kernel and those of user programs, with QEMU's log of executed code on, and prints which methods of
FOLDER (default Kernel/Memory/) were executed: a table by folder, and the list of those that were not. Three machines at once, a few minutes:
one with all suites, one that is short of memory, one where each request is made to fail in turn (with a disk and with swap). With the names of suites: one machine with those.

Exit status: 0 when the suites passed, 1 when one did not (the table is printed), 2 for wrong arguments.
END
}

[ "${1:-}" != --help ] && [ "${1:-}" != -h ] || { usage; exit 0; }
folder=${1:-Kernel/Memory/}
[ -d "$root/$folder" ] && [[ $folder = Kernel/*/ ]] || { usage >&2; exit 2; }

"$root/tools/bootstrap.sh"
[ -n "${NANOVM_BUILT:-}" ] || build_what_changed
work=$(mktemp -d "${TMPDIR:-/tmp}/coverage.XXXXXX")
trap 'rm -rf "$work"' EXIT
PATH=$PATH:/usr/sbin:/sbin
truncate -s 32M "$work/disk"
mke2fs -q -F -t ext2 "$work/disk"

# machine NAME OPTION...: the log of what it executes is NAME.log. Only the kernel's addresses: its image is linked into the last 2 GiB.
machine() {
  local name=$1
  shift
  NANOVM_BUILT=1 "$root/run-qemu.sh" --direct --timeout 1500 "$@" \
    -- -d in_asm -D "$work/$name.log" -dfilter 0xffffffff80000000+0x7fffffff > "$work/$name.ktap" 2>&1 < /dev/null || echo "$?" > "$work/$name.failed"
}

names=(all short failing)
if [ $# -gt 1 ]; then
  names=(chosen)
  machine chosen --mem 256M --test "${@:2}"
else
  machine all --mem 512M --swap 64M --test all &
  machine short --mem 128M --swap 512M --test reclaim &
  machine failing --mem 128M --swap 32M --disk "$work/disk:/mnt/disk" --test injection &
  wait
fi

status=0
for name in "${names[@]}"; do
  [ -e "$work/$name.failed" ] || continue
  grep -E '^ *not ok' "$work/$name.ktap" || tail -n 20 "$work/$name.ktap"
  printf 'coverage: the machine "%s" ended with status %s\n' "$name" "$(cat "$work/$name.failed")"
  status=1
done
dotnet "$root/tools/BuildTool/obj/out/BuildTool.dll" coverage "$root/artifacts/kernel.elf" "$root/Kernel/obj/out/Kernel.dll" "$folder" "$work"/*.log
exit "$status"
