#!/usr/bin/env bash
# Boots NanoVM in QEMU: to a shell on this terminal, or to run one command and end with its status.
#
# The command line is a contract (see usage below and README.md). The first serial port is the guest's terminal, the second one
# carries the kernel's own messages, kept in artifacts/last-run.log. Several machines may run at once: each has its own folder for
# everything it writes, and only its finished log is moved to artifacts/.
set -euo pipefail
shopt -s inherit_errexit

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly root
# Whoever has built already (a test run) says so by NANOVM_BUILT=1; NANOVM_ARTIFACTS names another folder with kernel.elf,
# initramfs.cpio and nanovm.iso, for instance one with Linux in place of our kernel.
readonly artifacts=${NANOVM_ARTIFACTS:-$root/artifacts}

# shellcheck source=tools/run/build.sh
source "$root/tools/run/build.sh"
# shellcheck source=tools/run/overlay.sh
source "$root/tools/run/overlay.sh"
# shellcheck source=tools/run/machine.sh
source "$root/tools/run/machine.sh"

usage() {
  cat <<'END'
usage: ./run-qemu.sh [OPTION]... [-- QEMU ARGUMENT...]
Boots NanoVM in QEMU to a shell on this terminal; `poweroff` in the guest ends it.

what to run
  --run 'CMD'           run CMD by /bin/sh -c, print only its output, end with its exit status
  --timeout SECONDS     end with 124 when the machine has not ended by then
  --test [SUITE...]     run the in-guest suites (all, or those named); KTAP on standard output
  --gdb[=PORT]          start stopped and wait for GDB on localhost:1234 (or PORT; "stdio" for GDB's own pipe)

what it has
  --add HOST[:GUEST]    put a file or folder of the host into the guest (default: /root/<name>); repeatable
  --with PROGRAM        bring a program of the host with its interpreter and shared libraries (or a library, or a folder); repeatable
  --disk FILE[:MOUNT]   attach a disk image and, with MOUNT, mount its ext2 file system there; repeatable
  --mem SIZE            memory (default 512M)
  --swap SIZE           a swap device of that size (default none)
  --append 'ARGS'       more for the kernel's command line

how it boots
  --direct              start the kernel itself (QEMU's -kernel) instead of the ISO: the fastest way
  --uefi                boot the ISO by UEFI firmware instead of BIOS
  --icount              count time in instructions: one tick each, the same in every run
  --kvm                 use the host's processor by /dev/kvm instead of software emulation

  -v                    show the kernel's messages on standard error while it runs
  -h, --help            this text

Exit status: the guest's (128+N for a signal), 124 for a timeout, 70 for a kernel panic, 2 for wrong arguments.
With --run the command's input is this terminal, or empty when there is none. The kernel's log: artifacts/last-run.log.
END
}

# refuse MESSAGE: a wrong argument: one line on standard error, status 2.
refuse() {
  printf 'run-qemu.sh: %s\n' "${1//$'\n'/\\n}" >&2
  exit 2
}

# What was asked for. Empty means no.
command_given='' command_text='' timeout_seconds='' tests_asked='' gdb_port='' direct='' uefi='' icount='' kvm='' verbose=''
memory=512M swap_size='' append=''
suites=() additions=() programs=() disks=() qemu_extra=()

# parse ARGUMENT...: fills the variables above; refuses what it cannot understand. Looks at no file.
parse() {
  while [ $# -gt 0 ]; do
    case $1 in
      --run | --timeout | --add | --with | --disk | --mem | --swap | --append)
        [ $# -ge 2 ] || refuse "$1 needs a value"
        parse_value "$1" "$2"
        shift
        ;;
      --test)
        tests_asked=1
        while [ $# -ge 2 ] && [[ $2 != -* ]]; do
          [[ $2 =~ ^[A-Za-z0-9_.-]+$ ]] || refuse "--test: '$2' is no suite's name"
          suites+=("$2")
          shift
        done
        ;;
      --gdb) gdb_port=1234 ;;
      --gdb=*)
        gdb_port=${1#--gdb=}
        [[ $gdb_port = stdio || ($gdb_port =~ ^[1-9][0-9]{0,4}$ && $gdb_port -le 65535) ]] || refuse "--gdb: '$gdb_port' is no port"
        ;;
      --direct) direct=1 ;;
      --uefi) uefi=1 ;;
      --icount) icount=1 ;;
      --kvm) kvm=1 ;;
      -v) verbose=1 ;;
      -h | --help) usage; exit 0 ;;
      --) shift; qemu_extra=("$@"); break ;;
      *) refuse "unknown argument '$1' (--help lists them)" ;;
    esac
    shift
  done
  [ -z "$direct" ] || [ -z "$uefi" ] || refuse '--direct and --uefi exclude each other'
  [ -z "$icount" ] || [ -z "$kvm" ] || refuse '--icount and --kvm exclude each other'
  [ -z "$command_given" ] || [ -z "$tests_asked" ] || refuse '--run and --test exclude each other'
}

# parse_value OPTION VALUE: one option that takes a value.
parse_value() {
  case $1 in
    --run) command_given=1 command_text=$2 ;;
    --timeout)
      [[ $2 =~ ^[0-9]+(\.[0-9]+)?$ && $2 =~ [1-9] ]] || refuse "--timeout: '$2' is no number of seconds above 0"
      timeout_seconds=$2
      ;;
    --add) additions+=("$2") ;;
    --with) programs+=("$2") ;;
    --disk) disks+=("$2") ;;
    --mem) is_size "$2" || refuse "--mem: '$2' is no size (as 512M or 4G)"; memory=$2 ;;
    --swap) is_size "$2" || refuse "--swap: '$2' is no size (as 256M or 1G)"; swap_size=$2 ;;
    --append)
      [[ $2 != *$'\n'* ]] || refuse '--append: a kernel command line is one line'
      append+=" $2"
      ;;
  esac
}

# is_size TEXT: a positive number with K, M, G or T; MiB without, as QEMU has it.
is_size() { [[ $1 =~ ^0*[1-9][0-9]{0,11}[KMGTkmgt]?$ ]]; }

# clean_up: whatever way this script ends, the machine ends too, the terminal is as before and nothing is left in a temporary folder.
clean_up() {
  stop_machine
  restore_terminal
  rm -rf "$work"
}

main() {
  parse "$@"
  "$root/tools/bootstrap.sh"
  check_machine_arguments

  work=$(mktemp -d "${TMPDIR:-/tmp}/nanovm.XXXXXX")
  trap clean_up EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM

  overlay_begin "$work/overlay"
  local item
  for item in ${additions[@]+"${additions[@]}"}; do overlay_add "$item"; done
  for item in ${programs[@]+"${programs[@]}"}; do overlay_with "$item"; done
  if [ -n "$command_given" ]; then overlay_command "$command_text"; fi

  [ -n "${NANOVM_BUILT:-}" ] || build_what_changed
  start_machine
  finish_machine
}

main "$@"
