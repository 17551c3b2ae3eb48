#!/usr/bin/env bash
# Makes sure that everything NanoVM is built and run with is installed; installs what is missing with apt.
#
# Prints nothing and ends 0 when all is there: only files and the command table are looked at, so that every entry script can
# afford to call it. What cannot be installed from here is named, with what to do, on standard error; then it ends with 1.
set -euo pipefail

# Debian package -> what shows that it is there: a command, or a file (a path, with globs).
readonly NEEDED=(
  'nasm                nasm'
  'lld                 ld.lld'
  'qemu-system-x86     qemu-system-x86_64'
  'xorriso             xorriso'
  'mtools              mformat'
  'grub-common         grub-mkrescue'
  'grub-pc-bin         /usr/lib/grub/i386-pc/multiboot2.mod'
  'grub-efi-amd64-bin  /usr/lib/grub/x86_64-efi/multiboot2.mod'
  'ovmf                /usr/share/OVMF/OVMF_CODE*.fd'
  'busybox-static      /usr/share/doc/busybox-static'
  'gdb                 gdb'
  'cpio                cpio'
  'e2fsprogs           mke2fs'
  'util-linux          mkswap'
)

say() { printf 'bootstrap: %s\n' "$*" >&2; }

# is_there PROBE: whether the command or file that PROBE names exists. System folders count even where PATH lacks them.
is_there() {
  case $1 in
    /*) compgen -G "$1" >/dev/null ;;
    *) command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ] ;;
  esac
}

# has_dotnet_10: whether a .NET 10 SDK lies beside the dotnet command. Looks at its folders: asking dotnet itself takes too long.
has_dotnet_10() {
  local dotnet
  dotnet=$(command -v dotnet) || return 1
  dotnet=$(readlink -f "$dotnet")
  compgen -G "${dotnet%/*}/sdk/10.*" >/dev/null || compgen -G "${DOTNET_ROOT:-/nonexistent}/sdk/10.*" >/dev/null
}

# install PACKAGE...: through apt, as root or by sudo; names what to do where neither works.
install() {
  if ! command -v apt-get >/dev/null; then
    say "there is no apt here; install with your system's own package manager what Debian calls: $*"
    return 1
  fi
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
      say "not root; run this once as root: apt-get update && apt-get install $*"
      return 1
    fi
    as_root=(sudo)
  fi
  say "installing $*"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive sh -c '
    apt-get install -y --no-install-recommends "$@" || { apt-get update && apt-get install -y --no-install-recommends "$@"; }
  ' install "$@" >&2
}

missing=()
for row in "${NEEDED[@]}"; do
  read -r package probe <<< "$row"
  is_there "$probe" || missing+=("$package")
done

failed=0
if [ ${#missing[@]} -gt 0 ]; then
  install "${missing[@]}" || failed=1
fi
if ! has_dotnet_10; then
  say 'the .NET 10 SDK is missing: install it from https://dotnet.microsoft.com/download/dotnet/10.0 (or your system'\''s package dotnet-sdk-10.0) so that the command dotnet is in PATH'
  failed=1
fi
exit "$failed"
