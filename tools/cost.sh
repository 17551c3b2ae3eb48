#!/usr/bin/env bash
# What system calls and faults cost, counted in guest instructions: User/cost on Linux 6.1 and on NanoVM, one table.
#
# Both machines are QEMU's with -icount: the time-stamp counter advances by one an instruction, so the figures are the same in every run and
# on every host. They rank the kernels' work; caches, TLB misses and the price of an exception itself are not in them.
set -euo pipefail
# shellcheck disable=SC2015
shopt -s inherit_errexit

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root
readonly artifacts=${NANOVM_ARTIFACTS:-$root/artifacts}
readonly WRONG_ARGUMENTS=2 NO_LINUX=77

# shellcheck source=tools/run/build.sh
source "$root/tools/run/build.sh"
# shellcheck source=tools/compare/linux.sh
source "$root/tools/compare/linux.sh"

# What linux.sh wants to know.
# shellcheck disable=SC2034
memory=1G swap='' limit=300 work='' only=''
# shellcheck disable=SC2034
linux_extra=(-cpu 'max,-erms,-la57' -icount 'shift=0,sleep=off')

usage() {
  cat <<'END'
usage: tools/cost.sh [--only-nanovm]
Prints what system calls and faults cost on NanoVM and on Linux 6.1 (mitigations off), in guest instructions.

Exit status: 0, 2 wrong arguments, 77 Linux 6.1 cannot be had on this machine.
END
}

# say MESSAGE: progress, with the seconds since the start.
say() { printf '%3ds  %s\n' "$SECONDS" "$*" >&2; }

main() {
  case ${1:-} in
    '') ;;
    --only-nanovm) only=1 ;;
    -h | --help) usage; exit 0 ;;
    *) printf "cost.sh: unknown argument '%s' (--help lists them)\n" "$1" >&2; exit "$WRONG_ARGUMENTS" ;;
  esac
  "$root/tools/bootstrap.sh"
  [ -n "$only" ] || linux_fetch || exit "$NO_LINUX"
  [ -n "${NANOVM_BUILT:-}" ] || build_what_changed
  work=$(mktemp -d "${TMPDIR:-/tmp}/cost.XXXXXX")
  trap 'linux_stop; rm -rf "$work"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  mkdir "$work/files"
  cp "$artifacts/rootfs/usr/bin/cost" "$work/files/"
  printf 'exec ./cost\n' > "$work/files/compare.sh"
  : > "$work/linux"
  if [ -z "$only" ]; then
    say "counting on Linux $(linux_version)"
    linux_run "$work/files" "$work/linux"
  fi
  say 'counting on NanoVM'
  NANOVM_BUILT=1 "$root/run-qemu.sh" --direct --icount --timeout "$limit" --mem "$memory" --run cost < /dev/null > "$work/nanovm"
  awk '
    { sub(/\r$/, "") }
    $1 != "cost" { next }
    { value = $2; name = $0; sub(/^cost [0-9]+ /, "", name) }
    FILENAME ~ /linux$/ { linux[name] = value; next }
    !heading++ { printf "%-58s %12s %12s\n", "instructions", "NanoVM", "Linux 6.1" }
    { printf "%-58s %12d %12s\n", name, value, name in linux ? linux[name] : "" }' "$work/linux" "$work/nanovm"
}

main "$@"
