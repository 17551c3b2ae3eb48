#!/bin/sh
# Linux's first process in tools/compare-linux.sh: the file systems that NanoVM has too, then /root/compare.sh with its output on the
# first serial port, byte for byte. The second one is the kernel's console.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /tmp

# Only there when the machine has a disk. Some need others, so: three rounds load them all.
for _ in 1 2 3; do
  for module in virtio virtio_ring virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk; do
    [ ! -f /modules/$module.ko ] || insmod /modules/$module.ko 2> /dev/null
  done
done
mkdir /mnt
for device in /dev/vda /dev/vdb; do
  [ ! -b $device ] || swapon $device 2> /dev/null || mount -t ext2 $device /mnt
done

stty -F /dev/ttyS0 raw -echo
cd /root || exit
export HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
setsid sh -c 'sh compare.sh | cat > /dev/ttyS0'
# Everything has been sent by now: closing the port waits for that.
echo 'compare: end' > /dev/ttyS1
poweroff -f
