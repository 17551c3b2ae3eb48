# shellcheck shell=bash
# Sourced by tools/compare-linux.sh: Debian's Linux 6.1 as a machine in QEMU. Needs $root, $artifacts, $work, $memory, $swap, $disk, $limit
# and say(); linux_extra may hold more arguments for QEMU.
# shellcheck disable=SC2154,SC2015

# The newest 6.1 that the package lists of this Debian offer: small, made for virtual machines, with all of memory management.
readonly LINUX_PACKAGE='^linux-image-6\.1\.0-[0-9]+-cloud-amd64$'
readonly linux_folder=$artifacts/linux-6.1
linux_pid=''

# linux_version: the release of what was fetched.
linux_version() { cat "$linux_folder/release"; }

# linux_fetch: vmlinuz and the few modules that the machine needs, in artifacts/linux-6.1. At once when they are there. One at a time.
linux_fetch() {
  [ ! -f "$linux_folder/release" ] || return 0
  local package stage lock
  mkdir -p "$artifacts"
  exec {lock}> "$artifacts/.linux.lock"
  flock "$lock"
  [ ! -f "$linux_folder/release" ] || return 0
  command -v apt-get > /dev/null && command -v dpkg-deb > /dev/null || { linux_missing 'there is no apt here'; return 1; }
  package=$(linux_newest)
  if [ -z "$package" ] && [ "$(id -u)" = 0 ]; then
    say 'apt-get update'
    apt-get update -qq >&2 || true
    package=$(linux_newest)
  fi
  [ -n "$package" ] || { linux_missing 'the package lists of this machine have no linux-image-6.1.0-*-cloud-amd64'; return 1; }

  say "fetching $package"
  stage=$(mktemp -d "$artifacts/.linux.XXXXXX")
  if ! (cd "$stage" && apt-get download -qq -o APT::Sandbox::User=root "$package" 2> errors >&2 && dpkg-deb -x ./*.deb tree 2>> errors); then
    linux_missing "$package cannot be fetched: $(tail -n 1 "$stage/errors")"
    rm -rf "$stage"
    return 1
  fi
  mkdir -p "$linux_folder/modules"
  cp "$stage"/tree/boot/vmlinuz-* "$linux_folder/vmlinuz"
  find "$stage/tree" -name 'virtio*.ko' -exec cp {} "$linux_folder/modules/" \;
  printf '%s\n' "${package#linux-image-}" > "$linux_folder/release"
  rm -rf "$stage"
  exec {lock}>&-
}

# linux_newest: the package's name; empty when the lists have none.
linux_newest() {
  local package
  package=$(apt-cache pkgnames linux-image-6.1.0- | grep -E "$LINUX_PACKAGE" | sort -V | tail -n 1) || true
  printf '%s' "$package"
}

linux_missing() { printf 'compare-linux.sh: no Linux 6.1: %s\n' "$1" >&2; }

# linux_run FOLDER OUTPUT: boots it with FOLDER as /root, runs compare.sh there, its output to the byte in OUTPUT.
# Ends with 124 when it takes too long, 70 when the machine ended before the script did.
linux_run() {
  local tree=$work/linux.tree status=0 qemu=()
  linux_tree "$tree" "$1"
  (cd "$tree" && find . -mindepth 1 -print0 | cpio --quiet -0 -o -H newc -R 0:0) > "$work/linux.cpio"
  qemu=(qemu-system-x86_64 -accel tcg -cpu max -smp 1 -m "${memory^^}" -nic none -display none -vga none -no-reboot -kernel "$linux_folder/vmlinuz"
    -initrd "$work/linux.cpio" -serial "file:$2" -serial "file:$work/linux.log"
    -append 'console=ttyS1 quiet mitigations=off nopti transparent_hugepage=madvise vsyscall=xonly panic=-1 no5lvl rdinit=/init'
    ${linux_extra[@]+"${linux_extra[@]}"})
  if [ -n "$swap" ]; then
    truncate -s "${swap^^}" "$work/linux.swap"
    "$(PATH=$PATH:/usr/sbin:/sbin command -v mkswap)" -q "$work/linux.swap"
    qemu+=(-drive "if=none,id=swap,format=raw,file=$work/linux.swap" -device 'virtio-blk-pci,drive=swap')
  fi
  if [ -n "${disk:-}" ]; then
    make_disk "$work/linux.disk"
    qemu+=(-drive "if=none,id=disk,format=raw,file=$work/linux.disk" -device 'virtio-blk-pci,drive=disk')
  fi
  setpriv --pdeathsig TERM -- timeout --kill-after=5 "$limit" setpriv --pdeathsig KILL -- "${qemu[@]}" < /dev/null > "$work/linux.qemu" 2>&1 &
  linux_pid=$!
  wait "$linux_pid" || status=$?
  linux_pid=''
  [ "$status" != 124 ] || return 124
  if ! grep -aq '^compare: end' "$work/linux.log"; then
    tail -n 20 "$work/linux.qemu" "$work/linux.log" | tr -d '\r' >&2
    return 70
  fi
}

# linux_stop: ends the machine if it still runs.
linux_stop() { [ -z "$linux_pid" ] || kill "$linux_pid" 2> /dev/null || true; }

# linux_tree TREE FOLDER: the initramfs: BusyBox, the modules, an init, and FOLDER's files in /root.
linux_tree() {
  mkdir -p "$1"/{bin,sbin,dev,proc,sys,tmp,root,run,etc,modules,usr/bin,usr/sbin}
  chmod 1777 "$1/tmp"
  chmod 700 "$1/root"
  cp "$(command -v busybox)" "$1/bin/busybox"
  "$1/bin/busybox" --list-full | while read -r name; do
    [ "${name##*/}" = busybox ] || { mkdir -p "$1/${name%/*}" && ln -sf /bin/busybox "$1/$name"; }
  done
  cp -R "$2/." "$1/root/"
  [ -z "$swap${disk:-}" ] || cp "$linux_folder"/modules/*.ko "$1/modules/"
  printf 'root:x:0:0:root:/root:/bin/sh\n' > "$1/etc/passwd"
  cp "$root/tools/compare/linux-init.sh" "$1/init"
  chmod 755 "$1/init"
}
