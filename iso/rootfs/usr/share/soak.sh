# The guest's half of tools/soak.sh: sh soak.sh MINUTES. Exit status 0 when all was well.
minutes=$1
work=/tmp/soak
stop=$work/stop
bad=$work/bad
mkdir -p $work /mnt/soak

# wrong WORDS: says it at once and remembers it.
wrong() {
  echo "soak: WRONG: $*"
  echo "$*" >> $bad
}

# stopping: is it time to end?
stopping() { [ -e $stop ]; }

# counter NAME: of /proc/vmstat.
counter() { awk -v name="$1" '$1 == name { print $2 }' /proc/vmstat; }

# check: all of memory, each frame against all that refer to it.
check() {
  cat /proc/memfsck > $work/memfsck
  [ "$(awk '$1 == "errors" { print $2 }' $work/memfsck)" = 0 ] || wrong "memfsck: $(tr '\n' ' ' < $work/memfsck)"
}

# suites: the user suites, one after another, again and again. Suites that measure memory or time itself are not for a machine that has none.
run_suites() {
  rounds=0
  while ! stopping; do
    for suite in /tests/*; do
      [ -f $suite ] || continue
      # These want the machine for themselves: huge pages, counts of what is free, settings of all processes.
      case ${suite##*/} in alone | huge* | injection | looking | reclaim* | oom*) continue ;; esac
      if ! $suite > $work/suite.out 2>&1; then
        wrong "suite ${suite##*/}: $(grep -a -B 3 '^not ok' $work/suite.out | tr '\n' ' ')"
      fi
      stopping && break
    done
    rounds=$((rounds + 1))
  done
  echo "suites $rounds rounds"
}

# run_streams: streams of memory calls print the same however short memory is.
run_streams() {
  rounds=0
  while ! stopping; do
    vmfuzz --steady --seeds 4 --ops 250 > $work/streams 2>&1
    cmp -s $work/streams.alone $work/streams || wrong "streams: $(diff $work/streams.alone $work/streams | grep -a '^[0-9>]' | head -n 20)"
    rounds=$((rounds + 1))
  done
  echo "streams $rounds rounds"
}

# run_shell: pipelines of many programs, whose results are known.
run_shell() {
  rounds=0
  while ! stopping; do
    sum=$(seq 1 20000 | sort -r | sort -n | md5sum)
    [ "$sum" = "$sorted" ] || wrong "a pipeline's sum is $sum"
    mkdir /mnt/soak/tree && cp -R /etc /usr/share /mnt/soak/tree && tar -C /mnt/soak -cf - tree | tar -C $work -xf - && diff -r /mnt/soak/tree $work/tree > /dev/null \
      || wrong 'a tree is not what was copied'
    rm -rf /mnt/soak/tree $work/tree
    rounds=$((rounds + 1))
  done
  echo "shell $rounds rounds"
}

# everything: starts all the workers.
everything() {
  rm -f $stop
  soak memory 1 $stop 40 & soak memory 2 $stop 40 & soak memory 3 $stop 16 &
  soak shared 4 $stop 24 &
  soak files 5 $stop 12 /mnt/soak & soak files 6 $stop 6 /tmp &
  soak processes 7 $stop & soak threads 8 $stop & soak signals 9 $stop &
  run_suites & run_streams & run_shell &
}

# end_everything: ends them and waits for the last.
end_everything() {
  touch $stop
  wait
}

# ledger: what the kernel has given out, caches dropped: what is left must be the same before and after.
ledger() {
  sync
  # What has been swapped out comes in again: slots that nobody refers to would stay.
  for device in $(awk 'NR > 1 { print $1 }' /proc/swaps); do swapoff $device && swapon $device || wrong "swapoff $device"; done
  # Twice: inodes that the first round has made clean go with the second.
  echo 3 > /proc/sys/vm/drop_caches
  sync
  echo 3 > /proc/sys/vm/drop_caches
  # The shell's own memory and the files of this script, which grow and shrink, are not lost by the kernel; nor are the nodes by which higher process
  # numbers are found, or what the disk's cache still holds.
  awk '$1 !~ /^(committed_pages|pid_node|frames_used|frames|file_pages|shmem_pages|xarray_.*|ext2_mapping|ext2_inode_cache|kmalloc-.*)$/' /proc/ledger
  rest=$(awk '$1 == "frames_used" { used = $2 } $1 == "file_pages" { file = $2 } END { print int((used - file) / 64) }' /proc/ledger)
  echo "frames but for files, of 64: $rest"
}

# All files that will be here are here from the start.
for name in suite.out streams streams.alone memfsck first second bad ledger.before ledger.after ledger.diff; do echo > $work/$name; done
: > $bad
sorted=$(seq 1 20000 | sort -r | sort -n | md5sum)
vmfuzz --steady --seeds 4 --ops 250 > $work/streams.alone 2>&1

# Each worker once: what the kernel keeps for good (page tables of its own, names it has seen) is there from then on.
echo 'soak: a first round of everything'
everything > $work/first 2>&1
sleep 20
end_everything
grep -a WRONG $work/first && echo first >> $bad
ledger > $work/ledger.before

faults=$(counter pgfault) major=$(counter pgmajfault) in=$(counter pswpin) out=$(counter pswpout) calls=$(counter system_calls) switches=$(awk '$1 == "ctxt" { print $2 }' /proc/stat) \
  forks=$(awk '$1 == "processes" { print $2 }' /proc/stat) cow=$(counter wp_copy)
everything > $work/second 2>&1
minute=0
while [ $minute -lt "$minutes" ]; do
  sleep 60
  minute=$((minute + 1))
  check
  echo "soak: minute $minute: $(($(counter pgfault) - faults)) faults, $(($(counter pswpin) - in)) pages in, $(($(counter pswpout) - out)) out, $(awk '$1 == "MemFree:" { print $2 }' /proc/meminfo) kB free"
  grep -aq WRONG $work/second && break
done
end_everything
check
grep -av WRONG $work/second
grep -a WRONG $work/second && echo second >> $bad
[ "$(counter oom_kill)" = 0 ] || wrong "$(counter oom_kill) processes were killed for want of memory"
echo "soak: load: $(($(counter system_calls) - calls)) system calls, $(($(counter pgfault) - faults)) faults ($(($(counter pgmajfault) - major)) major, $(($(counter wp_copy) - cow)) copies on write), \
$(($(awk '$1 == "processes" { print $2 }' /proc/stat) - forks)) forks, $(($(counter pswpin) - in)) pages swapped in and $(($(counter pswpout) - out)) out, \
$(($(awk '$1 == "ctxt" { print $2 }' /proc/stat) - switches)) switches"
ledger > $work/ledger.after
if ! diff $work/ledger.before $work/ledger.after > $work/ledger.diff; then
  echo 'soak: the ledger, before and after:'
  cat $work/ledger.diff
  wrong 'the ledger is not as before'
fi
[ ! -s $bad ]
