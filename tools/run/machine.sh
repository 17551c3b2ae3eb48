# shellcheck shell=bash
# Sourced by run-qemu.sh: the machine itself. Needs the options that run-qemu.sh has parsed, $work, $artifacts, refuse() and overlay.sh.
# shellcheck disable=SC2154,SC2015

# The status with which QEMU ends after the guest's kernel has written 0x46 to isa-debug-exit: a panic.
readonly QEMU_STATUS_OF_PANIC=$(((0x46 << 1) | 1))
readonly STATUS_OF_PANIC=70 STATUS_OF_TIMEOUT=124
# With more, QEMU's start-up code for -kernel writes over what it has for the kernel; and the kernel looks at no more.
readonly COMMAND_LINE_LIMIT=4095

work='' machine_pid='' terminal_before='' log='' log_port='' log_reader='' output_filter=''
qemu=() words=()

# check_machine_arguments: refuses files and devices that are not there. Run before anything is built or started.
check_machine_arguments() {
  local item file
  for item in ${disks[@]+"${disks[@]}"}; do
    split_disk "$item"
    file=$disk_file
    [ -e "$file" ] || refuse "--disk: there is no file '$file'"
    [ -f "$file" ] || [ -b "$file" ] || refuse "--disk: '$file' is no disk image"
    [ -r "$file" ] && [ -w "$file" ] || refuse "--disk: '$file' cannot be read and written"
  done
  [ -z "$kvm" ] || { [ -r /dev/kvm ] && [ -w /dev/kvm ]; } || refuse '--kvm: /dev/kvm is not here or not ours to use'
}

# split_disk FILE[:MOUNT]: sets disk_file and disk_mount (empty when there is none). A file's name with a colon wins when it exists.
split_disk() {
  disk_file=$1 disk_mount=''
  [ ! -e "$1" ] && [[ $1 == *:* ]] || return 0
  disk_file=${1%:*} disk_mount=${1##*:}
  [[ $disk_mount =~ ^/[A-Za-z0-9_./-]*$ ]] || refuse "--disk $1: '$disk_mount' is no absolute path in the guest"
}

# start_machine: QEMU in the background, its process number in machine_pid, everything it writes in $work.
start_machine() {
  log=$work/log
  if [ -n "$verbose" ]; then
    exec {log_port}> >(tee "$log" >&2)
    log_reader=$!
  else
    exec {log_port}> "$log"
  fi
  qemu=(qemu-system-x86_64 -smp 1 -nic none -display none -no-reboot -m "${memory^^}" -machine memory-backend=ram
    # Nothing is set aside on the host for it: a machine may have more memory than the host, as long as it is not touched.
    -object "memory-backend-ram,id=ram,size=${memory^^},reserve=off" -device 'isa-debug-exit,iobase=0xf4,iosize=4')
  words=(${append:+$append})
  add_processor
  add_disks
  add_guest_options
  add_kernel
  add_ports
  qemu+=(${qemu_extra[@]+"${qemu_extra[@]}"})
  launch
}

# add_ports: the terminal on the first serial port, the log on the second one, and the debugger.
add_ports() {
  if [ "$gdb_port" = stdio ]; then # the debugger has standard input and output; the terminal is nobody's
    qemu+=(-S -gdb stdio -chardev 'null,id=terminal')
  else
    qemu+=(-chardev 'stdio,id=terminal,mux=off,signal=off')
    if [ -n "$gdb_port" ]; then
      qemu+=(-S -gdb "tcp:127.0.0.1:$gdb_port")
      printf 'stopped, waiting on localhost:%s; attach from another terminal with: tools/gdb.sh%s\n' \
        "$gdb_port" "$([ "$gdb_port" = 1234 ] || printf ' --port %s' "$gdb_port")" >&2
    fi
  fi
  qemu+=(-serial chardev:terminal -chardev "file,id=log,path=/dev/fd/$log_port" -serial chardev:log)
}

add_processor() {
  if [ -n "$kvm" ]; then
    qemu+=(-accel kvm -cpu host)
  elif [ -n "$icount" ]; then
    qemu+=(-accel tcg -cpu 'max,-erms,-la57' -icount 'shift=0,sleep=off')
  else
    qemu+=(-accel tcg -cpu max)
  fi
}

# add_disks: the disks in the order given, then swap. The kernel's command line says which is which: disk=N:MOUNT, swap=N.
add_disks() {
  local item number=0
  for item in ${disks[@]+"${disks[@]}"}; do
    split_disk "$item"
    add_disk "$number" "$disk_file"
    [ -z "$disk_mount" ] || words+=("disk=$number:$disk_mount")
    number=$((number + 1))
  done
  if [ -n "$swap_size" ]; then
    local mkswap
    [[ $swap_size =~ [KMGTkmgt]$ ]] || swap_size+=M
    truncate -s "${swap_size^^}" "$work/swap" || refuse "--swap: no file of $swap_size can be made"
    mkswap=$(PATH=$PATH:/usr/sbin:/sbin command -v mkswap)
    "$mkswap" -q "$work/swap" 2> "$work/mkswap" || refuse "--swap: $(head -1 "$work/mkswap")"
    add_disk "$number" "$work/swap"
    words+=("swap=$number")
  fi
}

# add_disk NUMBER FILE
add_disk() {
  qemu+=(-drive "if=none,id=disk$1,format=raw,file=${2//,/,,}" -device "virtio-blk-pci,disable-legacy=on,drive=disk$1,serial=disk$1")
}

# add_guest_options: what init and the suites learn from the kernel's command line.
add_guest_options() {
  local rows columns
  if [ -n "$tests_asked" ]; then
    words+=("test=$([ ${#suites[@]} = 0 ] && echo all || (IFS=,; echo "${suites[*]}"))")
  fi
  if [ -t 0 ] && read -r rows columns < <(stty size) && [ "$rows" -gt 0 ]; then
    words+=("rows=$rows" "cols=$columns")
  fi
  if [[ ${TERM:-} =~ ^[A-Za-z0-9._+-]+$ ]]; then words+=("term=$TERM"); fi
  if [ ! -t 0 ] && [ -n "$command_given" ]; then words+=(no-input); fi
  # Firmware writes on the first serial port too: init marks where the command's output begins.
  if [ -n "$uefi" ] && [ -n "$command_given" ]; then words+=(mark-output); fi
}

# add_kernel: the kernel, its initramfs with this run's files over it, and its command line, by -kernel or as an ISO.
add_kernel() {
  local initramfs=$artifacts/initramfs.cpio iso=$artifacts/nanovm.iso command_line=${words[*]-} bytes
  bytes=$(printf %s "$command_line" | wc -c)
  [ "$bytes" -le "$COMMAND_LINE_LIMIT" ] || refuse "the kernel's command line would have $bytes bytes; $COMMAND_LINE_LIMIT are the most"
  if ! overlay_is_empty; then
    initramfs=$work/initramfs.cpio
    cat "$artifacts/initramfs.cpio" > "$initramfs"
    overlay_pack "$initramfs"
  fi
  if [ -n "$direct" ]; then
    # The screen of the ISO's machine, without its BIOS, which nobody needs here and which takes its time to start.
    qemu+=(-vga none -device VGA,romfile= -kernel "$artifacts/kernel.elf" -initrd "${initramfs//,/,,}" -append "$command_line")
    return
  fi
  if [ -n "$command_line" ] || ! overlay_is_empty; then
    iso=$work/nanovm.iso
    "$root/tools/build/make-iso.sh" "$iso" "$artifacts/kernel.elf" "$initramfs" "$command_line" > "$work/make-iso" 2>&1 || {
      cat "$work/make-iso" >&2
      exit 1
    }
  fi
  qemu+=(-vga std -drive "if=none,id=cd,media=cdrom,readonly=on,file=${iso//,/,,}" -device 'ide-cd,drive=cd,bootindex=0')
  [ -z "$uefi" ] || add_firmware
}

# add_firmware: OVMF with variables of its own.
add_firmware() {
  local suffix
  for suffix in _4M ''; do
    [ -f "/usr/share/OVMF/OVMF_CODE$suffix.fd" ] || continue
    cp "/usr/share/OVMF/OVMF_VARS$suffix.fd" "$work/vars.fd"
    qemu+=(-drive "if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE$suffix.fd"
      -drive "if=pflash,unit=1,format=raw,file=$work/vars.fd")
    return
  done
  refuse '--uefi: there is no OVMF firmware in /usr/share/OVMF'
}

# launch: starts QEMU in this script's own process group, so that the terminal is its own, and so that it dies with this script.
# What the machine reads: this terminal; where there is none, nothing when it runs a command or suites, else whatever standard input is.
launch() {
  local limit=() from to
  exec {from}<&0 {to}>&1
  if [ "$gdb_port" = stdio ]; then
    : # the debugger's pipe, as it is
  elif [ -t 0 ]; then
    terminal_before=$(stty -g)
  elif [ -n "$command_given$tests_asked" ]; then
    exec {from}< /dev/null
  fi
  if [ "$gdb_port" = stdio ]; then
    :
  elif [ -n "$tests_asked" ]; then
    exec {to}> >(pass_ktap "$work/ktap")
    output_filter=$!
  elif [ -n "$uefi" ] && [ -n "$command_given" ]; then
    exec {to}> >(pass_marked)
    output_filter=$!
  fi
  if [ -n "$timeout_seconds" ]; then limit=(timeout --foreground --kill-after=5 "$timeout_seconds" setpriv --pdeathsig KILL --); fi
  setpriv --pdeathsig TERM -- ${limit[@]+"${limit[@]}"} "${qemu[@]}" <&"$from" >&"$to" &
  machine_pid=$!
  exec {from}<&- {to}>&-
}

# pass_marked: drops what firmware writes before init's mark (one byte, record separator), passes the rest as it is.
pass_marked() {
  local LC_ALL=C
  IFS= read -r -d $'\036' _ && cat
}

# pass_ktap FILE: passes the guest's KTAP from its first line on and keeps it in FILE. A terminal's line ends become plain ones.
pass_ktap() {
  awk -v copy="$1" '
    { sub(/\r$/, "") }
    !begun && (at = index($0, "KTAP version 1")) { begun = 1; $0 = substr($0, at) }
    begun { print; print > copy; fflush() }'
}

# stop_machine: ends QEMU if it still runs.
stop_machine() {
  [ -n "$machine_pid" ] || return 0
  kill "$machine_pid" 2>/dev/null || true
  wait "$machine_pid" 2>/dev/null || true
  machine_pid=''
}

# restore_terminal: as it was before QEMU took it.
restore_terminal() {
  [ -z "$terminal_before" ] || stty "$terminal_before" 2>/dev/null || true
}

# finish_machine: waits for the machine, keeps its log and ends the script with the status that the contract promises.
finish_machine() {
  local status=0 line
  wait "$machine_pid" || status=$?
  machine_pid=''
  restore_terminal
  exec {log_port}>&-
  [ -z "$output_filter" ] || wait "$output_filter" || true
  [ -z "$log_reader" ] || wait "$log_reader" || true
  keep_log

  if [ -n "$timeout_seconds" ] && { [ "$status" = 124 ] || [ "$status" = 137 ]; }; then
    printf 'run-qemu.sh: the machine had not ended after %s seconds\n' "$timeout_seconds" >&2
    exit "$STATUS_OF_TIMEOUT"
  fi
  if grep -aq '^nanovm: panic' "$log" && [ "$status" = "$QEMU_STATUS_OF_PANIC" ]; then
    [ -n "$verbose" ] || tr -d '\r' < "$log" >&2
    printf 'run-qemu.sh: the kernel panicked; its log is in %s\n' "$artifacts/last-run.log" >&2
    exit "$STATUS_OF_PANIC"
  fi
  line=$(tr -d '\r' < "$log" | grep -axE 'nanovm: exit status [0-9]{1,3}' | tail -n 1) || line=''
  if [ -n "$line" ]; then
    end_with "${line##* }"
  fi
  [ -z "$gdb_port" ] || [ "$status" != 0 ] || exit 0 # the debugger killed it
  printf 'run-qemu.sh: the machine ended without an exit status (QEMU: %s); its log is in %s\n' "$status" "$artifacts/last-run.log" >&2
  exit "$STATUS_OF_PANIC"
}

# end_with STATUS: the guest's own status; a test run whose KTAP is missing or says "not ok" never ends with 0.
end_with() {
  if [ -n "$tests_asked" ] && [ "$1" = 0 ]; then
    [ -s "$work/ktap" ] || { printf 'run-qemu.sh: the guest printed no KTAP\n' >&2; exit 1; }
    ! grep -qE '^ *(not ok|Bail out!)' "$work/ktap" || exit 1
  fi
  exit "$1"
}

# keep_log: this run's log becomes artifacts/last-run.log, in one step.
keep_log() {
  local kept
  mkdir -p "$artifacts"
  kept=$(mktemp "$artifacts/.last-run.XXXXXX")
  cp "$log" "$kept"
  mv "$kept" "$artifacts/last-run.log"
}
