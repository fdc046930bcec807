#!/bin/sh
# The first process under user-mode-linux. The host's root is there to read; what is shared both ways is one folder,
# $UIPVS_EXCHANGE of the host. Each line on the serial port names a job in it to run; the same line goes back when the
# job is done. When the host's end closes, this machine powers off.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/run TMPDIR=/run LC_ALL=C
read -r kit < "$UIPVS_EXCHANGE/kit"
bb=$kit/bin/busybox

$bb mount -t proc proc /proc
$bb mount -t sysfs sysfs /sys
$bb mount -t tmpfs tmpfs /run
$bb mkdir /run/exchange /run/host-etc
$bb mount -t hostfs none /run/exchange -o "$UIPVS_EXCHANGE"

# The host's /etc, but for the files that are given: names are the same on every host.
$bb mount --bind /etc /run/host-etc
$bb mount -t tmpfs tmpfs /etc
$bb cp /run/exchange/etc/* /etc
for file in /run/host-etc/*; do
  [ -e "/etc/${file##*/}" ] || $bb ln -s "$file" /etc
done

while read -r module; do
  $bb insmod "$module" || echo "insmod $module failed" >&2
done < /run/exchange/modules
$bb ip link set lo up

exec 3<>/dev/ttyS0
$bb stty raw -echo <&3
echo ready >&3
while read -r job <&3; do
  {
    sh "/run/exchange/$job/run" 3>&-
    echo "$job" >&3
  } &
done
$bb poweroff -f
