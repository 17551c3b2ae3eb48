#!/usr/bin/env bash
# make-initramfs.sh OUT: the guest's first files as a cpio archive (newc): the skeleton in iso/, BusyBox from the installed Debian
# package with a link for each of its commands, and our own programs from artifacts/rootfs. All belong to root; the order and the
# times are fixed, so that equal input gives an equal file.
set -euo pipefail

[ $# = 1 ] || { printf 'usage: make-initramfs.sh OUT\n' >&2; exit 2; }
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
out=$(realpath -m "$1")
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
busybox=$(command -v busybox) || { printf 'make-initramfs.sh: busybox is missing: apt-get install busybox-static\n' >&2; exit 1; }

tree=$stage/tree
mkdir "$tree"
while read -r mode folder; do
  case $mode in ''|'#'*) continue ;; esac
  install -d -m "$mode" "$tree/$folder"
done < "$root/iso/folders"
cp -R --preserve=mode "$root/iso/rootfs/." "$tree/"
[ ! -d "$root/artifacts/rootfs" ] || cp -R --preserve=mode "$root/artifacts/rootfs/." "$tree/"

install -m 755 "$busybox" "$tree/bin/busybox"
# A program of ours at the same place wins over BusyBox's command. "init" is always ours.
"$busybox" --list-full | while read -r command; do
  case ${command##*/} in init|linuxrc|busybox) continue ;; esac
  [ -e "$tree/$command" ] || [ -L "$tree/$command" ] || { mkdir -p "$tree/${command%/*}"; ln -s /bin/busybox "$tree/$command"; }
done

# Full-screen programs brought by --with (top, less, nano) ask terminfo what the terminal can do; ncurses-base is on every Debian.
for terminal in dumb linux vt100 vt102 vt220 ansi xterm xterm-256color screen screen-256color tmux tmux-256color; do
  for folder in /lib/terminfo /usr/share/terminfo; do
    entry=$folder/${terminal:0:1}/$terminal
    [ ! -f "$entry" ] || { install -D -m 644 "$entry" "$tree/lib/terminfo/${terminal:0:1}/$terminal"; break; }
  done
done

find "$tree" -exec touch -h -d @0 {} +
# The folders' modes again: copying over them may have changed what is read-only.
(cd "$tree" && find . -mindepth 1 -print0 | LC_ALL=C sort -z \
  | cpio --quiet --null --create --format=newc --owner=0:0 --reproducible) > "$stage/initramfs.cpio"
mkdir -p "$(dirname "$out")"
mv "$stage/initramfs.cpio" "$out"
