#!/usr/bin/env bash
# Attaches GDB to a NanoVM that `./run-qemu.sh --gdb` has started, with symbols and the commands of tools/gdb/nanovm.py.
#
# With --batch FILE it runs FILE's commands and ends; when nothing waits on the port, on a machine of its own.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tools/run/build.sh
source "$root/tools/run/build.sh"

usage() {
  cat <<'END'
usage: tools/gdb.sh [--port PORT] [--batch FILE]
  --port PORT    where QEMU waits (default 1234)
  --batch FILE   run FILE's GDB commands and end; starts its own machine when nothing waits on the port
END
}

refuse() {
  printf 'gdb.sh: %s\n' "$1" >&2
  exit 2
}

# is_listening PORT: looked up, not tried: QEMU would take a trial for its debugger.
is_listening() { grep -qiE "^ *[0-9]+: [0-9A-F]+:$(printf '%04X' "$1") [0-9A-F]+:0000 0A " /proc/net/tcp; }

port=1234 batch=''
while [ $# -gt 0 ]; do
  case $1 in
    --port)
      [[ ${2:-} =~ ^[1-9][0-9]{0,4}$ ]] || refuse '--port needs a number'
      port=$2
      shift
      ;;
    --batch)
      [ $# -ge 2 ] || refuse '--batch needs a file'
      [ -f "$2" ] || refuse "--batch: there is no file '$2'"
      batch=$2
      shift
      ;;
    -h | --help) usage; exit 0 ;;
    *) refuse "unknown argument '$1' (--help lists them)" ;;
  esac
  shift
done

"$root/tools/bootstrap.sh"
debugger=(gdb -nx -q -iex 'set pagination off' -iex 'set confirm off' -iex 'set tcp auto-retry off' -iex 'set remotetimeout 60'
  -x "$root/tools/gdb/nanovm.py" "$root/artifacts/kernel.elf")

if is_listening "$port"; then
  debugger+=(-ex "target remote localhost:$port")
elif [ -n "$batch" ]; then
  [ -n "${NANOVM_BUILT:-}" ] || build_what_changed
  debugger+=(-ex "target remote | NANOVM_BUILT=1 '$root/run-qemu.sh' --direct --gdb=stdio")
else
  refuse "nothing waits on localhost:$port; start it in another terminal with: ./run-qemu.sh --gdb"
fi
[ -z "$batch" ] || debugger+=(-batch -x "$batch")
exec "${debugger[@]}"
