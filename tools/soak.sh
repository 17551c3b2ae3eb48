#!/usr/bin/env bash
# Soak: everything at once in one machine with too little memory, for a while, and everything checked. Issue it before a release.
#
# In the guest runs iso/rootfs/usr/share/soak.sh; this script makes the machine, and afterwards looks at its disk.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root
# shellcheck source=tools/run/build.sh
source "$root/tools/run/build.sh"

usage() {
  cat <<'END'
usage: tools/soak.sh MINUTES [MEMORY [SWAP]]
Suites, vmfuzz streams and stress of memory, shared memory, files on ext2, processes, threads and signals, all at once in one machine with
MEMORY (default 160M) and SWAP (default 512M). Each minute all of memory is checked (/proc/memfsck). At the end nothing may be lost (/proc/ledger), the
streams must have printed what they print alone, and the disk's file system must be clean (e2fsck). Prints the load that it was.

Exit status: 0 all was well, 1 something was not, 2 wrong arguments.
END
}

[ "${1:-}" != --help ] && [ "${1:-}" != -h ] || { usage; exit 0; }
[[ ${1:-} =~ ^[1-9][0-9]{0,3}$ ]] && [ $# -le 3 ] || { usage >&2; exit 2; }
minutes=$1 memory=${2:-160M} swap=${3:-512M}

"$root/tools/bootstrap.sh"
[ -n "${NANOVM_BUILT:-}" ] || build_what_changed
work=$(mktemp -d "${TMPDIR:-/tmp}/soak.XXXXXX")
trap 'rm -rf "$work"' EXIT
PATH=$PATH:/usr/sbin:/sbin
truncate -s 256M "$work/disk"
mke2fs -q -F -t ext2 "$work/disk"

status=0
# Before and after the minutes come a round of everything and the clearing up: on a busy host that takes a while.
NANOVM_BUILT=1 "$root/run-qemu.sh" --direct --mem "$memory" --swap "$swap" --disk "$work/disk:/mnt" --timeout $((minutes * 60 + 1200)) \
  --run "sh /usr/share/soak.sh $minutes" < /dev/null || status=$?
case $status in
  0 | 1) ;;
  124) echo 'soak: NOT well: the machine did not come to its end in time and was killed; its file system cannot be judged'; exit 1 ;;
  70) echo 'soak: NOT well: the kernel panicked; its file system cannot be judged'; exit 1 ;;
  *) echo "soak: stopped before its end: the machine was killed (status $status), which is no verdict on the kernel"; exit 1 ;;
esac
if ! e2fsck -fn "$work/disk" > "$work/e2fsck" 2>&1; then
  cat "$work/e2fsck"
  status=1
fi
[ "$status" = 0 ] && echo "soak: $minutes minutes, all well; the file system is clean" || { echo 'soak: NOT well'; exit 1; }
