#!/usr/bin/env bash
# Differential fuzzing: seeded streams of memory calls (User/vmfuzz) on Linux and on NanoVM, which must print the same.
#
# Linux is Debian's 6.1 in QEMU (see tools/compare-linux.sh), or this machine's own. A difference is shrunk to the shortest stream that
# shows it, printed, and kept as a case with --keep: tools/compare/vmfuzz.streams holds all that were ever found, and each run plays them too.
set -euo pipefail
# shellcheck disable=SC2015
shopt -s inherit_errexit

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root
readonly artifacts=${NANOVM_ARTIFACTS:-$root/artifacts}
readonly SAME=0 DIFFERENT=1 WRONG_ARGUMENTS=2 NO_LINUX=77
readonly cases=$root/tools/compare/vmfuzz.streams

# shellcheck source=tools/run/build.sh
source "$root/tools/run/build.sh"
# shellcheck source=tools/compare/linux.sh
source "$root/tools/compare/linux.sh"

usage() {
  cat <<'END'
usage: tools/vmfuzz.sh [OPTION]...
Plays the known cases and then streams of fresh seeds on Linux 6.1 and on NanoVM, and shows where they differ, as short as can be.

  --seed N              the first seed (default: from the time; it is printed); "commit": made from git's HEAD, the same for one commit always
  --seeds COUNT         how many (default 200); 0: only the cases
  --ops M               operations of each (default 500)
  --steady              leave out which pages are present: calls, areas and what all memory holds are compared
  --on host             compare with this machine's Linux, without what has changed since 6.1, instead of Linux 6.1 in QEMU
  --shrink COUNT        how many differing streams are shrunk (default 1)
  --keep                add what was shrunk to the cases
  --timeout SECONDS     for each machine (default 300)
  -h, --help            this text

Exit status: 0 everything is the same, 1 something differs, 2 wrong arguments, 77 Linux 6.1 cannot be had on this machine.
END
}

# refuse MESSAGE: a wrong argument: one line on standard error, status 2.
refuse() {
  printf 'vmfuzz.sh: %s\n' "$*" >&2
  exit "$WRONG_ARGUMENTS"
}

# say MESSAGE: progress, with the seconds since the start.
say() { printf '%4ds  %s\n' "$SECONDS" "$*" >&2; }

# memory and swap are linux.sh's.
# shellcheck disable=SC2034
seed='' seeds=200 operations=500 oracle=linux shrink=1 keep='' limit=300 memory=512M swap='' work='' plain='' steady=''

# commit_seed: a number made of the commit's; nothing where there is no git, and then the time decides.
commit_seed() {
  local commit
  commit=$(git -C "$root" rev-parse HEAD 2> /dev/null) || return 0
  printf '%d' "$((16#${commit:0:7}))"
}

parse() {
  while [ $# -gt 0 ]; do
    case $1 in
      --seeds | --ops | --shrink | --timeout)
        [ $# -ge 2 ] && [[ $2 =~ ^[0-9]{1,9}$ ]] || refuse "$1 needs a number"
        ;;&
      --on) [ "${2:-}" = host ] || [ "${2:-}" = linux ] || refuse '--on needs "host" or "linux"'; oracle=$2; shift ;;
      --seed)
        [[ ${2:-} =~ ^([0-9]{1,9}|commit)$ ]] || refuse '--seed needs a number or "commit"'
        seed=$2
        [ "$seed" != commit ] || seed=$(commit_seed)
        shift
        ;;
      --seeds) seeds=$2; shift ;;
      --ops) operations=$2; shift ;;
      --shrink) shrink=$2; shift ;;
      --timeout) limit=$2; shift ;;
      --keep) keep=1 ;;
      --steady) steady=--steady ;;
      -h | --help) usage; exit 0 ;;
      *) refuse "unknown argument '$1' (--help lists them)" ;;
    esac
    shift
  done
  [ -n "$seed" ] || seed=$((10#$(date +%s) % 100000000 * 10))
  [ "$oracle" != host ] || plain=--plain
}

# on_linux OUT, on_nanovm OUT: runs $work/files/compare.sh there.
on_linux() {
  if [ "$oracle" = host ]; then
    # Its own tmpfs: not every machine's /tmp is one.
    (cd "$work/files" && FOLDER=/dev/shm timeout "$limit" sh compare.sh) > "$1" 2>&1 || return
  else
    linux_run "$work/files" "$1"
  fi
}

on_nanovm() {
  NANOVM_BUILT=1 "$root/run-qemu.sh" --direct --timeout "$limit" --mem "$memory" --add "$work/files:/root" --run 'sh compare.sh' \
    < /dev/null 2> "$work/nanovm.errors" | tr -d '\r' > "$1" || { cat "$work/nanovm.errors" >&2; return 1; }
}

# both OPTION...: runs vmfuzz with these options on both, the output in $work/linux.out and $work/nanovm.out.
# A machine that does not come to the end says so in the last line: that is a difference too.
both() {
  printf './vmfuzz --folder "${FOLDER:-/tmp}" %s %s %s\n' "$plain" "$steady" "$*" > "$work/files/compare.sh"
  local status=0
  on_linux "$work/linux.out" || status=$?
  [ "$status" = 0 ] || { say "Linux ended with status $status"; exit 3; }
  on_nanovm "$work/nanovm.out" || printf 'NanoVM did not come to the end\n' >> "$work/nanovm.out"
}

# differing: names of the streams whose outputs differ. Works on sums (one line a stream) and on whole texts.
differing() {
  awk '
    /^stream / { name = $2; if (!(name in seen)) { seen[name] = 1; order[++count] = name } }
    FNR == 1 { file++ }
    name != "" { text[file, name] = text[file, name] $0 "\n" }
    END { for (i = 1; i <= count; i++) if (text[1, order[i]] != text[2, order[i]]) print order[i] }' "$work/linux.out" "$work/nanovm.out"
}

# try FILE...: which of these streams (files of operations) still differ? Their names, in the order given.
try() {
  local file
  for file in "$@"; do
    printf 'stream %s\n' "$(basename "$file")"
    cat "$file"
  done > "$work/files/streams"
  both --sum --replay streams
  differing
}

# minimize FILE: the shortest stream of FILE's operations that still differs, by delta debugging (Zeller): pieces are left out, first large
# ones, then smaller ones. All the candidates of a round are played in one boot.
minimize() {
  local file=$1 pieces=2 total piece i candidates needed
  while true; do
    total=$(wc -l < "$file")
    [ "$pieces" -le "$total" ] || pieces=$total
    say "$total operations differ; leaving out each of $pieces pieces"
    rm -rf "$work/round"
    mkdir "$work/round"
    candidates=()
    for ((i = 0; i < pieces; i++)); do
      awk -v i="$i" -v n="$pieces" -v t="$total" '(NR - 1) < int(i * t / n) || (NR - 1) >= int((i + 1) * t / n)' "$file" > "$work/round/$i"
      candidates+=("$work/round/$i")
    done
    try "${candidates[@]}" > "$work/still"
    if [ -s "$work/still" ]; then
      # All that can be left out alone, together; when that is too much, the first.
      needed=" $(tr '\n' ' ' < "$work/still")"
      for ((i = 0; i < pieces; i++)); do
        [[ $needed == *" $i "* ]] || awk -v i="$i" -v n="$pieces" -v t="$total" '(NR - 1) >= int(i * t / n) && (NR - 1) < int((i + 1) * t / n)' "$file"
      done > "$work/round/together"
      if [ "$(wc -l < "$work/still")" -gt 1 ] && [ -n "$(try "$work/round/together")" ]; then
        cp "$work/round/together" "$file"
      else
        cp "$work/round/$(head -n 1 "$work/still")" "$file"
      fi
      pieces=$((pieces > 4 ? pieces / 2 : 2))
    elif [ "$pieces" -ge "$total" ]; then
      break
    else
      pieces=$((pieces * 2))
    fi
  done
}

# explain NAME FILE: shrinks a stream, looking after each operation when that still shows it, and prints it with both outputs.
explain() {
  local name=$1 file=$work/shrunk
  cp "$2" "$file"
  if [ -z "$(try "$file")" ]; then
    say "stream $name does not differ when it is played alone"
    return
  fi
  minimize "$file"
  printf 'stream shrunk\n' | cat - "$file" > "$work/files/streams"
  both --replay streams
  printf 'stream %s, shortest (- Linux, + NanoVM):\n' "$name"
  cat "$file"
  diff -a -U100 "$work/linux.out" "$work/nanovm.out" | tail -n +4 | cut -c 1-400 || true
  if [ -n "$keep" ]; then
    { printf 'stream %s-%s\n' "$name" "$(date +%Y%m%d)"; cat "$file"; } >> "$cases"
    say "added to $cases"
  fi
}

main() {
  parse "$@"
  "$root/tools/bootstrap.sh"
  [ "$oracle" = host ] || linux_fetch || exit "$NO_LINUX"
  [ -n "${NANOVM_BUILT:-}" ] || build_what_changed
  work=$(mktemp -d "${TMPDIR:-/tmp}/vmfuzz.XXXXXX")
  trap 'linux_stop; rm -rf "$work"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  mkdir "$work/files"
  cp "$artifacts/rootfs/usr/bin/vmfuzz" "$cases" "$work/files/"

  local name result=$SAME
  if [ -z "$plain" ]; then
    # The cases are of Linux 6.1, with all that it has.
    both --dirty --sum --replay vmfuzz.streams
    differing > "$work/bad"
    say "$(grep -c ^stream "$cases" || true) cases, different: $(wc -l < "$work/bad")"
    while read -r name; do
      result=$DIFFERENT
      printf 'case %s differs\n' "$name"
    done < "$work/bad"
  fi

  if [ "$seeds" -gt 0 ]; then
    say "seeds $seed to $((seed + seeds - 1)), $operations operations each: tools/vmfuzz.sh --seed $seed --seeds $seeds --ops $operations"
    both --sum --seed "$seed" --seeds "$seeds" --ops "$operations"
    differing > "$work/bad"
    say "$(grep -c ^stream "$work/linux.out" || true) streams, different: $(wc -l < "$work/bad")"
    while read -r name; do
      result=$DIFFERENT
      printf 'seed %s differs\n' "$name"
    done < "$work/bad"
    head -n "$shrink" "$work/bad" > "$work/shrinking"
    while read -r name <&3; do
      "$work/files/vmfuzz" $plain --list --seed "$name" --ops "$operations" | tail -n +2 > "$work/stream"
      explain "$name" "$work/stream"
    done 3< "$work/shrinking"
  fi
  exit "$result"
}

main "$@"
