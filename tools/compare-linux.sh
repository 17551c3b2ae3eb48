#!/usr/bin/env bash
# Linux is the oracle: runs the same programs on this machine's Linux, on Debian's Linux 6.1 in QEMU and on NanoVM, and compares.
#
# Without --program: the user suites (User/Suites), and a table of their cases. With it: any static program, its output and its status.
# Linux 6.1 is Debian's own package, fetched by apt, unpacked in artifacts/linux-6.1, never installed.
set -euo pipefail
# shellcheck disable=SC2015
shopt -s inherit_errexit

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root
readonly artifacts=${NANOVM_ARTIFACTS:-$root/artifacts}
# What another script is told: everything was the same, something was not, and Linux 6.1 is not to be had here (77, as test drivers have it).
readonly SAME=0 DIFFERENT=1 WRONG_ARGUMENTS=2 NO_LINUX=77

# shellcheck source=tools/run/build.sh
source "$root/tools/run/build.sh"
# shellcheck source=tools/compare/linux.sh
source "$root/tools/compare/linux.sh"

usage() {
  cat <<'END'
usage: tools/compare-linux.sh [OPTION]... [SUITE]...
       tools/compare-linux.sh [OPTION]... --program FILE [ARGUMENT]...
Runs suites, or one static program, on this machine's Linux, on Debian's Linux 6.1 in QEMU and on NanoVM, and shows what differs.

  --program FILE ...    the static program FILE with all arguments that follow, instead of suites
  --on SYSTEM,...       some of: host, linux, nanovm (default: all three)
  --mem SIZE            memory of the machines (default 1G: with less, Linux turns huge pages off)
  --swap SIZE           a swap device for the machines (default none)
  --disk SIZE           a disk with an empty ext2, on /mnt of the machines (default none)
  --add FILE            a file beside the program, in its working folder; repeatable
  --timeout SECONDS     for each system (default 300)
  --fetch               only fetch Linux 6.1
  -h, --help            this text

Exit status: 0 everything is the same, 1 something differs, 2 wrong arguments, 77 Linux 6.1 cannot be had on this machine.
END
}

# refuse MESSAGE: a wrong argument: one line on standard error, status 2.
refuse() {
  printf 'compare-linux.sh: %s\n' "$*" >&2
  exit "$WRONG_ARGUMENTS"
}

# say MESSAGE: progress, with the seconds since the start.
say() { printf '%3ds  %s\n' "$SECONDS" "$*" >&2; }

systems=(host linux nanovm) suites=() program='' arguments=() files=()
memory=1G swap='' disk='' limit=300 only_fetch='' work=''

parse() {
  while [ $# -gt 0 ]; do
    case $1 in
      --on | --mem | --swap | --disk | --add | --timeout | --program)
        [ $# -ge 2 ] || refuse "$1 needs a value"
        ;;&
      --program) program=$2; shift 2; arguments=("$@"); break ;;
      --on) IFS=, read -ra systems <<< "$2"; shift ;;
      --mem) memory=$2; shift ;;
      --swap) swap=$2; shift ;;
      --disk) disk=$2; shift ;;
      --add) files+=("$2"); shift ;;
      --timeout) limit=$2; shift ;;
      --fetch) only_fetch=1 ;;
      -h | --help) usage; exit 0 ;;
      -*) refuse "unknown argument '$1' (--help lists them)" ;;
      *) suites+=("$1") ;;
    esac
    shift
  done
  local name
  for name in "${systems[@]}"; do [[ $name =~ ^(host|linux|nanovm)$ ]] || refuse "--on: '$name' is none of host, linux, nanovm"; done
  for name in "$memory" ${swap:+"$swap"} ${disk:+"$disk"}; do [[ $name =~ ^[1-9][0-9]*[KMGkmg]$ ]] || refuse "'$name' is no size (as 512M or 4G)"; done
  [[ $limit =~ ^[1-9][0-9]*$ ]] || refuse "--timeout: '$limit' is no number of seconds above 0"
  for name in ${program:+"$program"} ${files[@]+"${files[@]}"}; do [ -f "$name" ] && [ -r "$name" ] || refuse "there is no file '$name'"; done
  [ -z "$program" ] || [ ${#suites[@]} = 0 ] || refuse '--program and suites exclude each other'
}

# choose_suites: all of them, or those that were named; their programs are the files to bring.
choose_suites() {
  local name
  [ ${#suites[@]} -gt 0 ] || for name in "$artifacts"/rootfs/tests/*; do [ ! -f "$name" ] || suites+=("${name##*/}"); done
  for name in "${suites[@]}"; do
    [ -f "$artifacts/rootfs/tests/$name" ] || refuse "there is no suite '$name'; there are: $(cd "$artifacts/rootfs/tests" && echo *)"
    files+=("$artifacts/rootfs/tests/$name")
  done
}

# make_command: the folder $work/files with the programs and the script that runs them, the same on all systems. The shell's own
# words ("Segmentation fault") go nowhere: they are not the kernel's.
make_command() {
  mkdir "$work/files"
  cp -L -- ${program:+"$program"} ${files[@]+"${files[@]}"} "$work/files/"
  {
    printf 'exec 2>/dev/null </dev/null\n'
    if [ -n "$program" ]; then
      printf './%q' "$(basename "$program")"
      [ ${#arguments[@]} = 0 ] || printf ' %q' "${arguments[@]}"
      printf ' 2>&1\necho "exit status $?"\n'
    else
      # shellcheck disable=SC2016
      printf 'for suite in %s; do\n  echo "suite $suite"\n  ./$suite 2>&1\n  echo "status $?"\ndone\n' "${suites[*]}"
    fi
  } > "$work/files/compare.sh"
  chmod 755 "$work/files/"*
}

# make_disk FILE: an empty ext2 of the size that was asked for.
make_disk() {
  truncate -s "${disk^^}" "$1"
  "$(PATH=$PATH:/usr/sbin:/sbin command -v mke2fs)" -q -F -t ext2 "$1"
}

# run_on SYSTEM: what the script prints there, in $work/SYSTEM; a system that ends before its time says so in the last line.
run_on() {
  local status=0
  case $1 in
    host)
      say "on this machine's Linux, $(uname -r)"
      (cd "$work/files" && timeout "$limit" sh compare.sh | cat) > "$work/host" || status=$?
      ;;
    linux)
      say "on Linux $(linux_version), in QEMU"
      linux_run "$work/files" "$work/linux" || status=$?
      ;;
    nanovm)
      say 'on NanoVM, in QEMU'
      [ -z "$disk" ] || make_disk "$work/nanovm.disk"
      NANOVM_BUILT=1 "$root/run-qemu.sh" --direct --timeout "$limit" --mem "$memory" ${swap:+--swap "$swap"} ${disk:+--disk "$work/nanovm.disk:/mnt"} --add "$work/files:/root" \
        --run 'sh compare.sh | cat' < /dev/null 2> "$work/nanovm.errors" | tr -d '\r' > "$work/nanovm" || status=$?
      [ ! -s "$work/nanovm.errors" ] || cat "$work/nanovm.errors" >&2
      ;;
  esac
  [ "$status" = 0 ] || printf '(the run ended with status %s)\n' "$status" >> "$work/$1"
}

# name_of SYSTEM: as a reader knows it.
name_of() {
  case $1 in
    host) printf 'this machine (Linux %s)' "$(uname -r)" ;;
    linux) printf 'Linux %s' "$(linux_version)" ;;
    nanovm) printf 'NanoVM' ;;
  esac
}

# compare_outputs: for a program: the first system's output whole, then how each other one differs from it.
compare_outputs() {
  local first=${systems[0]} system result=$SAME
  [[ " ${systems[*]} " != *' linux '* ]] || first=linux
  cat "$work/$first"
  for system in "${systems[@]}"; do
    [ "$system" != "$first" ] || continue
    if cmp -s "$work/$first" "$work/$system"; then
      say "the same on $(name_of "$first") and $(name_of "$system")"
    else
      say "DIFFERENT: - $(name_of "$first"), + $(name_of "$system")"
      diff -a -U0 "$work/$first" "$work/$system" | tail -n +3 || true
      result=$DIFFERENT
    fi
  done
  return "$result"
}

# compare_suites: the table, and below it each case that differs.
compare_suites() {
  local system outputs=()
  for system in "${systems[@]}"; do outputs+=("name=$(name_of "$system")" "$work/$system"); done
  awk -f "$root/tools/compare/table.awk" "${outputs[@]}"
}

main() {
  parse "$@"
  "$root/tools/bootstrap.sh"
  if [ -n "$only_fetch" ] || [[ " ${systems[*]} " == *' linux '* ]]; then linux_fetch || exit "$NO_LINUX"; fi
  [ -z "$only_fetch" ] || exit 0

  [ -n "${NANOVM_BUILT:-}" ] || { [[ " ${systems[*]} " != *' nanovm '* ]] && [ -n "$program" ]; } || build_what_changed
  work=$(mktemp -d "${TMPDIR:-/tmp}/compare.XXXXXX")
  trap 'linux_stop; rm -rf "$work"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  [ -n "$program" ] || choose_suites
  make_command
  local system
  for system in "${systems[@]}"; do run_on "$system"; done
  if [ -n "$program" ]; then compare_outputs; else compare_suites; fi
}

main "$@"
