/*
 * A host is three processes of ours, none of them a child of the worker for long:
 *
 *   supervisor (sh)          in the box's own namespaces; makes the veth, boots, reboots; its death is the host's
 *     └─ unshare             holds the namespaces: mount, network, process, host name
 *          └─ init (sh)      process 1 of the host: mounts, firewall, user data, sshd
 *
 * They talk over two pipes: init says `up` (the firewall stands) and `running` (sshd listens); the supervisor says `go`
 * between, when the network is there. So a host has no network before it has its firewall.
 */

/** Files of a host's folder that scripts and adapter share. */
export const FILES = {
  /** `PID START`, of the supervisor: START is field 22 of /proc/PID/stat, so that another process is not taken for it. */
  supervisor: 'supervisor.pid',
  /** PID of the process that holds the namespaces. */
  holder: 'holder.pid',
  /** `booting`, `running`, or `failed`; of the last boot. */
  state: 'state',
  /** Shell variables: link, ours, theirs, name. */
  settings: 'settings.sh',
  firewall: 'firewall.sh',
  /** Run at the first boot, and removed. */
  userData: 'user-data',
  log: 'log',
} as const;

/** Run as `sh supervisor.sh` in the host's folder. TERM ends the host, USR1 reboots it. */
export const SUPERVISOR = `# Written by Slipway (src/adapters/netns).
say() { echo "$1" >${FILES.state}.new && mv ${FILES.state}.new ${FILES.state}; }
again=1
holder=
end_host() { if [ -n "$holder" ]; then kill -KILL "$holder" 2>/dev/null; fi; }
trap 'again=; end_host' TERM
trap 'again=1; end_host' USR1
say booting
echo "$$ $(cut -d' ' -f22 /proc/$$/stat)" >${FILES.supervisor}.new && mv ${FILES.supervisor}.new ${FILES.supervisor}

while [ -n "$again" ]; do
  again=
  say booting
  . ./${FILES.settings}
  rm -f to-init from-init; mkfifo -m 0600 to-init from-init
  setpriv --pdeathsig KILL unshare -m -n -p -u -f --kill-child --mount-proc --propagation private \\
    sh ./init.sh "$name" <to-init >from-init &
  holder=$!
  exec 4>to-init 3<from-init
  echo "$holder" >${FILES.holder}
  word=
  read -r word <&3
  if [ "$word" = up ] &&
    ip link add "$link" type veth peer name eth0 netns "$holder" &&
    ip addr add "$ours/30" dev "$link" && ip link set "$link" up &&
    nsenter -t "$holder" -n ip addr add "$theirs/30" dev eth0 &&
    nsenter -t "$holder" -n ip link set eth0 up &&
    nsenter -t "$holder" -n ip route add default via "$ours"
  then
    (echo go >&4) # a subshell: init may be gone, and the broken pipe is not to end us
    word=
    read -r word <&3
  fi
  exec 4>&- 3<&-
  if [ "$word" = running ]; then say running; else end_host; fi
  while kill -0 "$holder" 2>/dev/null; do wait "$holder"; done
  holder=
  ip link del "$link" 2>/dev/null
  if [ "$word" != running ] && [ -z "$again" ]; then say failed; fi
done
rm -f ${FILES.supervisor} ${FILES.holder}
`;

/** Process 1 of the host. Its folder is where it stands: later mounts may hide the path. */
export const INIT = `# Written by Slipway (src/adapters/netns).
set -e
exec 5>&1 >&2
hostname "$1"
for folder in etc root home usr/local/sbin; do mount --bind "files/$folder" "/$folder"; done
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/sshd /run/copies/up /run/copies/work
mount -t overlay overlay -o lowerdir=/var/lib,upperdir=/run/copies/up,workdir=/run/copies/work /var/lib
mount -t tmpfs -o mode=1777 tmpfs /tmp
ip link set lo up
sh ./${FILES.firewall} >/dev/null
echo up >&5
read -r _
if [ -e ./${FILES.userData} ]; then
  cp ./${FILES.userData} /run/user-data
  rm ./${FILES.userData}
  chmod 0700 /run/user-data
  (cd /root && HOME=/root /run/user-data </dev/null >/run/user-data.log 2>&1) || echo "user data: exit $?"
fi
/usr/sbin/sshd -D -e 2>/run/sshd.log &
sshd=$!
until grep -q ':0016 .* 0A ' /proc/net/tcp /proc/net/tcp6; do kill -0 $sshd; sleep 0.02; done
echo running >&5
exec 5>&- </dev/null
wait
`;

export const SSHD_CONFIG = `HostKey /etc/ssh/slipway_host_key
AuthorizedKeysFile /etc/ssh/slipway_authorized_keys
PasswordAuthentication no
PidFile /run/sshd.pid
Subsystem sftp internal-sftp
UseDNS no
UsePAM no
`;
